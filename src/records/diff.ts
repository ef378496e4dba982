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

/**
 * `bytes` and `fields`: the incoming record as CanonicalWriter wrote it. `numbers`: fields whose texts are numbers; another
 * text of the same number is no change, and the stored text stays.
 */
export function diffFields(
  stored: JsonObject,
  bytes: Buffer,
  fields: readonly CanonicalField[],
  numbers: readonly string[] = [],
): FieldDiff {
  const set: CanonicalField[] = [];
  const names = new Set<string>();
  for (const field of fields) {
    names.add(field.name);
    if (!Object.hasOwn(stored, field.name)) {
      set.push(field);
      continue;
    }
    const [before, now] = [canonicalJson(stored[field.name]), bytes.toString("utf8", field.start, field.end)];
    if (before !== now && !(numbers.includes(field.name) && isSameNumber(before, now))) set.push(field);
  }
  const drop = Object.keys(stored)
    .filter((name) => !names.has(name))
    .sort();
  return { changed: [...set.map(({ name }) => name), ...drop].sort(), set, drop };
}

/** Both are JSON texts of a string or a number that holds the same number. */
function isSameNumber(before: string, now: string): boolean {
  const [a, b] = [before, now].map((text) => text.replaceAll('"', ""));
  return a!.trim() !== "" && b!.trim() !== "" && Number(a) === Number(b);
}
