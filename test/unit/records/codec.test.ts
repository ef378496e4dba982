import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/json.ts";
import { formatCursor, parseCursor } from "../../../src/records/changeCursor.ts";
import { decodeField, decodeHead, encodeField, hashField } from "../../../src/records/codec.ts";
import { packIndexEntry, unpackIndexEntry } from "../../../src/records/indexEntry.ts";
import { jsonRecord, prepared, roundTrip, storedHash } from "./support.ts";

describe("a record in its hash", () => {
  test("comes back equal to what JSON.parse gave, whatever it holds", () => {
    fc.assert(
      fc.property(jsonRecord, (record) => {
        const back = roundTrip(record);
        // Jest's own equality trips over properties named "constructor".
        expect(isDeepStrictEqual(back, normalizeZero(record))).toBe(true);
        expect(canonicalJson(back)).toBe(canonicalJson(record));
      }),
      { numRuns: 500 },
    );
  });

  test("keeps a field named __proto__ as a property and no prototype is touched", () => {
    const record = JSON.parse(
      `{"__proto__":{"polluted":${JSON.stringify("x".repeat(300))}},"constructor":1}`,
    );
    const back = roundTrip(record);
    expect(JSON.stringify(back)).toBe(JSON.stringify(record));
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });

  test("has a field of its own for every large value, whatever its name, and none of them is the head", () => {
    const big = "x".repeat(200);
    const names = ["h", "", "f:h", "\ud800", "\udc00", "\ufffd", '"', "\\"];
    const hash = storedHash(prepared(Object.fromEntries(names.map((name) => [name, big]))));
    expect(Object.keys(hash)).toHaveLength(names.length + 1);
    expect(new Set(names.map((name) => Buffer.from(hashField(name)).toString("hex"))).size).toBe(
      names.length,
    );
  });

  test("is deflated where that pays and only there", () => {
    const prose = Buffer.from(JSON.stringify("the same words again ".repeat(200)));
    expect(encodeField(prose).bytes.length).toBeLessThan(prose.length / 2);
    const short = Buffer.from(JSON.stringify("the same words again ".repeat(10)));
    expect(encodeField(short).bytes).toBe(short);
  });

  test("that is damaged or was written by a newer UEE is refused with a code", () => {
    const hash = storedHash(prepared({ a: "x".repeat(4000) }));
    const field = hash["f:a"]!;
    expect(() => decodeField("X-1", "a", undefined)).toThrow("STOR_CORRUPT");
    expect(() => decodeField("X-1", "a", Buffer.concat([Buffer.from("?"), field.subarray(1)]))).toThrow(
      "STOR_CORRUPT",
    );
    expect(() => decodeField("X-1", "a", field.subarray(0, 5))).toThrow("STOR_CORRUPT");
    expect(() => decodeHead("X-1", hash.h!.subarray(0, 20))).toThrow("STOR_CORRUPT");
    expect(() => decodeHead("X-1", Buffer.concat([Buffer.from([9]), hash.h!.subarray(1)]))).toThrow(
      "SYS_SCHEMA_NEWER",
    );
  });
});

/** JSON's own text has one zero. */
function normalizeZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe("an index entry", () => {
  test("comes back as it was packed, for any time a feed may carry", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.integer({ min: 0, max: 4e15 }),
        fc.option(fc.integer({ min: Date.parse("0000-01-01"), max: Date.parse("9999-12-31") }), {
          nil: undefined,
        }),
        (digest, fetchedAt, lastModified) => {
          const entry = {
            digestVersion: 1,
            digest: Buffer.from(digest).toString("latin1"),
            fetchedAt,
            lastModified,
          };
          const packed = packIndexEntry(entry);
          expect(packed).toHaveLength(32);
          expect(unpackIndexEntry(packed)).toEqual(entry);
        },
      ),
    );
  });

  test("of a newer layout is refused, and so is a damaged one", () => {
    const packed = packIndexEntry({
      digestVersion: 1,
      digest: "0123456789abcdef",
      fetchedAt: 1,
      lastModified: 2,
    });
    expect(() => unpackIndexEntry(`\u0002${packed.slice(1)}`)).toThrow("SYS_SCHEMA_NEWER");
    expect(() => unpackIndexEntry(packed.slice(0, 30))).toThrow("STOR_CORRUPT");
  });
});

describe("a cursor of the change feed", () => {
  test("is printable and holds every provider's position", () => {
    const positions = new Map([
      ["cve", { seq: 12, at: "1700000000000000" }],
      ["attack", { seq: 0 }],
    ]);
    const cursor = formatCursor(positions);
    expect(cursor).toMatch(/^[\w-]+$/);
    expect(parseCursor(cursor)).toEqual(positions);
  });

  test.each(["", "x", "MTs", "!!", "1;cve,1,2", Buffer.from("1;cve,-1,2").toString("base64url")])(
    "is told from garbage: '%s'",
    (cursor) => {
      expect(() => parseCursor(cursor)).toThrow("STOR_CURSOR_INVALID");
    },
  );
});
