/** Which top-level fields of an incoming record differ from the stored ones. Pure. */
import { canonicalJson, type JsonObject } from "../core/json.ts";
import type { CanonicalField } from "./canonicalWriter.ts";

export interface FieldDiff {
  /** Names added, changed or removed, sorted. */
  readonly changed: readonly string[];
  /** Fields of the incoming record to write. */
  readonly set: readonly CanonicalField[];
  /** Names that are gone. */
  readonly drop: readonly string[];
}

/** `bytes` and `fields`: the incoming record as CanonicalWriter wrote it. */
export function diffFields(stored: JsonObject, bytes: Buffer, fields: readonly CanonicalField[]): FieldDiff {
  const set: CanonicalField[] = [];
  const names = new Set<string>();
  for (const field of fields) {
    names.add(field.name);
    const same =
      Object.hasOwn(stored, field.name) &&
      canonicalJson(stored[field.name]) === bytes.toString("utf8", field.start, field.end);
    if (!same) set.push(field);
  }
  const drop = Object.keys(stored)
    .filter((name) => !names.has(name))
    .sort();
  return { changed: [...set.map(({ name }) => name), ...drop].sort(), set, drop };
}
