/** The line of a record, as `uee export` prints it and bundles hold it. */
import { canonicalJson } from "../core/json.ts";
import type { StoredRecord } from "./contract.ts";

/** What comes before the data of a record in its line. */
const MARK = ',"data":';

/** The data in its canonical text: values that JSON.stringify would alter (-0) stay unchanged. */
export const exportLine = (record: StoredRecord): string => lineWith(record, canonicalJson(record.data));

/** @param text the canonical text of the record's data */
export function lineWith(
  { urn, provider, id, firstSeen, lastChanged }: Omit<StoredRecord, "data">,
  text: string,
): string {
  const head = JSON.stringify({ urn, provider, id, firstSeen, lastChanged });
  return `${head.slice(0, -1)}${MARK}${text}}`;
}

/** The record's id and the text of its data, of a line that `exportLine` wrote; undefined for any other text. */
export function splitLine(line: string): { id: string; provider: string; text: string } | undefined {
  // No text inside of the head contains the mark: its quotation marks would be escaped.
  const at = line.indexOf(MARK);
  if (at < 0 || !line.endsWith("}")) return undefined;
  const { id, provider } = JSON.parse(`${line.slice(0, at)}}`) as { id: unknown; provider: unknown };
  if (typeof id !== "string" || typeof provider !== "string") return undefined;
  return { id, provider, text: line.slice(at + MARK.length, -1) };
}
