/** Arbitrary records as JSON.parse may give them, and a way through the layout without Redis. */
import fc from "fast-check";
import type { JsonObject } from "../../../src/core/json.ts";
import { CanonicalWriter } from "../../../src/records/canonicalWriter.ts";
import { decodeHead, decodeRecord, HEAD_VERSION, type RecordHead } from "../../../src/records/codec.ts";
import { FrameWriter } from "../../../src/records/frame.ts";
import {
  detach,
  largeDigests,
  type Prepared,
  prepare,
  writeHeadBody,
  writeLargeFields,
} from "../../../src/records/prepare.ts";

/** Names that have broken somebody's mirror before. */
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
  detach(prepare(writer, { id: "X-1", aliases, data, fetchedAt: 1, lastModified: undefined }));

/** The Redis hash as the commit script would leave it, with firstSeen 1 and lastChanged 2. */
export function storedHash(record: Prepared): Record<string, Buffer> {
  const digests = largeDigests(record);
  const frame = new FrameWriter();
  writeHeadBody(frame, record, digests);
  const times = Buffer.alloc(13);
  times[0] = HEAD_VERSION;
  times.writeUIntBE(1, 1, 6);
  times.writeUIntBE(2, 7, 6);
  const hash: Record<string, Buffer> = { h: Buffer.concat([times, frame.cut()]) };
  writeLargeFields(frame, record);
  const fields = frame.cut();
  for (let at = 0; at < fields.length; ) {
    const [key, value] = [0, 1].map(() => {
      const size = fields.readUInt32BE(at);
      at += 4 + size;
      return fields.subarray(at - size, at);
    }) as [Buffer, Buffer];
    hash[key.toString("utf8")] = value;
  }
  return hash;
}

export const headOf = (record: Prepared): RecordHead => decodeHead("X-1", storedHash(record).h!);

export const roundTrip = (data: JsonObject): JsonObject => {
  const hash = storedHash(prepared(data));
  return decodeRecord("X-1", decodeHead("X-1", hash.h!), hash);
};
