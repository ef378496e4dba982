/** Arbitrary records as JSON.parse may give them, and a way through the layout without Redis. */
import fc from "fast-check";
import type { JsonObject } from "../../../src/core/json.ts";
import { CanonicalWriter } from "../../../src/records/canonicalWriter.ts";
import { baseText, ContentCodec, patchText } from "../../../src/records/content.ts";
import { diffFields, type FieldDiff } from "../../../src/records/diff.ts";
import { detach, type Prepared, prepare } from "../../../src/records/prepare.ts";

/** Names that have broken other mirrors before. */
const trickyNames = [
  "h",
  "",
  "f:",
  "f:h",
  "__proto__",
  "constructor",
  "toJSON",
  "é",
  "\u0000",
  '"',
  "\ud800",
  "0",
  "10",
  "2",
];
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom("\ud800", "x\udc00y", "\ufffd", "\u2028", "a\r\nb", "é".repeat(90), "plain ".repeat(400)),
);
const name = fc.oneof(fc.constantFrom(...trickyNames), fc.string({ unit: "binary", maxLength: 12 }));

/** What JSON.parse makes of the text, so that `__proto__` is a property like any other. */
export const jsonValue = fc
  .letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, true, false, 0, 1e21, 1e-7),
      fc.array(tie("value"), { maxLength: 6 }),
      fc.array(fc.tuple(name, tie("value")), { maxLength: 6 }).map(objectOf),
    ),
  }))
  .value.map((value) => JSON.parse(JSON.stringify(value)) as unknown);

export const jsonRecord = fc
  .array(fc.tuple(name, jsonValue), { maxLength: 12 })
  .map((members) => JSON.parse(JSON.stringify(objectOf(members))) as JsonObject);

function objectOf(members: [string, unknown][]): JsonObject {
  const object: JsonObject = {};
  for (const [key, value] of members) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

/** The same value with every object's keys the other way round. */
export function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== "object" || value === null) return value;
  return objectOf(
    Object.keys(value)
      .reverse()
      .map((key) => [key, reordered((value as JsonObject)[key])]),
  );
}

const writer = new CanonicalWriter();

export const prepared = (data: JsonObject, aliases: string[] = []): Prepared =>
  detach(
    prepare(writer, {
      id: "X-1",
      aliases,
      data,
      links: undefined,
      fetchedAt: 1,
      lastModified: undefined,
      entry: undefined,
    }),
  );

export const codec = new ContentCodec(['{"a":"plain plain plain","b":1}']);

/** The element that a first commit writes. */
export const baseOf = (record: Prepared): Buffer =>
  codec.encode(baseText(record.bytes, record.candidate.aliases));

export function diffOf(stored: JsonObject, incoming: JsonObject): FieldDiff {
  const record = prepared(incoming);
  return diffFields(stored, record.bytes, record.fields);
}

/** The element that a commit of a changed record appends. */
export function patchOf(stored: JsonObject, incoming: JsonObject): Buffer {
  const record = prepared(incoming);
  const { set, drop } = diffFields(stored, record.bytes, record.fields);
  return codec.encode(patchText(record.bytes, set, drop, undefined));
}
