/** Invalid records. */
import type { JsonObject } from "../../core/json.ts";
import type { BadKind } from "../types.ts";

export interface RecordShape {
  /** The property that holds the id. */
  id: string;
  /** A property that must be a list. */
  list: string;
}

/** A JSON record, broken. */
export function breakJson(text: string, kind: BadKind, shape: RecordShape): string {
  if (kind === "not-an-object") return JSON.stringify("a record, but not an object");
  const record = JSON.parse(text) as JsonObject;
  if (kind === "no-id") delete record[shape.id];
  else if (kind === "wrong-id") record[shape.id] = "no valid id";
  else record[shape.list] = "a list once";
  return JSON.stringify(record);
}

/** An XML record can only lose its id, or have a wrong one: XML has no types. */
export const breakXml = (xml: string, kind: BadKind): string =>
  xml.replace(
    / ID=("[^"]*"|'[^']*')/,
    kind === "no-id" || kind === "not-an-object" ? "" : ' ID="no valid id"',
  );
