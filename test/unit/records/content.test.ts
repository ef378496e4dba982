import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/json.ts";
import { formatCursor, parseCursor } from "../../../src/records/changeCursor.ts";
import { ContentCodec } from "../../../src/records/content.ts";
import {
  type Digests,
  fitsInline,
  packInline,
  packReferenced,
  unpackIndexEntry,
} from "../../../src/records/indexEntry.ts";
import { baseOf, codec, jsonRecord, patchOf, prepared } from "./support.ts";

describe("the content of a record", () => {
  test("comes back equal to what JSON.parse gave, whatever it holds", () => {
    fc.assert(
      fc.property(jsonRecord, (record) => {
        const elements = [baseOf(prepared(record))];
        const back = codec.decode("X-1", elements).data;
        // Jest's own equality trips over properties named "constructor".
        expect(isDeepStrictEqual(back, normalizeZero(record))).toBe(true);
        expect(codec.decodeText("X-1", elements).toString()).toBe(canonicalJson(record));
      }),
      { numRuns: 500 },
    );
  });

  test("is that of the newest commit after any row of changes", () => {
    fc.assert(
      fc.property(fc.array(jsonRecord, { minLength: 2, maxLength: 5 }), (versions) => {
        const elements = versions.map((version, i) =>
          i === 0 ? baseOf(prepared(version)) : patchOf(versions[i - 1]!, version),
        );
        const last = versions.at(-1)!;
        expect(isDeepStrictEqual(codec.decode("X-1", elements).data, normalizeZero(last))).toBe(true);
        expect(codec.decodeText("X-1", elements).toString()).toBe(canonicalJson(last));
      }),
      { numRuns: 300 },
    );
  });

  test("keeps a field named __proto__ as a property and no prototype is touched", () => {
    const record = JSON.parse('{"__proto__":{"polluted":1},"constructor":1}');
    const other = JSON.parse('{"__proto__":{"polluted":2}}');
    const back = codec.decode("X-1", [baseOf(prepared(record)), patchOf(record, other)]).data;
    expect(JSON.stringify(back)).toBe(JSON.stringify(other));
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });

  test("keeps aliases beside the record, and a patch leaves them as they are", () => {
    const elements = [baseOf(prepared({ n: 1 }, ["T1", "T2"]))];
    expect(codec.decode("X-1", elements)).toEqual({ data: { n: 1 }, aliases: ["T1", "T2"] });
    expect(codec.decode("X-1", [...elements, patchOf({ n: 1 }, { n: 2 })])).toEqual({
      data: { n: 2 },
      aliases: ["T1", "T2"],
    });
    expect(codec.decodeText("X-1", elements).toString()).toBe('{"n":1}');
  });

  test("is compressed where that saves bytes, and with the newest dictionary", () => {
    const prose = prepared({ a: "the same words again ".repeat(200) });
    expect(baseOf(prose).length).toBeLessThan(prose.bytes.length / 2);
    const noise = prepared({ a: "q7Zk2" });
    expect(new ContentCodec().encode(noise.bytes)).toHaveLength(noise.bytes.length + 1);
    const alike = prepared({ a: "plain plain plain", b: 2 });
    expect(baseOf(alike).length).toBeLessThan(new ContentCodec().encode(alike.bytes).length / 2);
  });

  test("written with an older dictionary can still be read after another was appended", () => {
    const element = new ContentCodec(["older older older"]).encode(Buffer.from('{"a":"older older"}'));
    const newer = new ContentCodec(["older older older", "newer newer newer"]);
    expect(newer.decode("X-1", [element]).data).toEqual({ a: "older older" });
  });

  test("of a row of short texts is its values alone, and comes back by the list of columns it was written with", () => {
    const rows = new ContentCodec([], [["cve", "epss"]]);
    const row = { cve: "X-1", epss: "0.00043" };
    const element = Buffer.from(rows.encodeRow("X-1", row)!, "latin1");
    expect(element).toHaveLength(10);
    const newer = new ContentCodec(
      [],
      [
        ["cve", "epss"],
        ["cve", "epss", "rank"],
      ],
    );
    for (const codecOf of [rows, newer]) {
      expect(codecOf.decode("X-1", [element])).toEqual({ data: row, aliases: [] });
    }
    expect(newer.encodeRow("X-1", row)).toBeUndefined();
    for (const other of ["a\nb", "\u0001", "ä", "x".repeat(201), 1, null]) {
      expect(rows.encodeRow("X-1", { cve: "X-1", epss: other })).toBeUndefined();
    }
    expect(rows.encodeRow("X-1", { cve: "X-1", epss: "" })).toBeDefined();
    expect(rows.encodeRow("X-1", { cve: "X-1", other: "1" })).toBeUndefined();
    expect(() => new ContentCodec([], [["cve"]]).decode("X-1", [element])).toThrow("STOR_CORRUPT");
    expect(() => new ContentCodec().decode("X-1", [element])).toThrow("STOR_CORRUPT");
  });

  test("of many records is compressed in another thread, to the same bytes and in the same order", async () => {
    const texts = Array.from({ length: 300 }, (_, i) =>
      Buffer.from(`{"a":"plain ${i} ${"plain ".repeat(i * 10)}"}`),
    );
    // The second time there is a thread: enough bytes have come.
    for (let round = 0; round < 2; round++) {
      const elements = await codec.encodeAll(texts);
      expect(elements.map((element) => element.toString("hex"))).toEqual(
        texts.map((text) => codec.encode(text).toString("hex")),
      );
    }
  });

  test("that is damaged or gone, or needs a dictionary that is not there, is refused with a code", () => {
    const element = baseOf(prepared({ a: "x".repeat(4000) }));
    const refused = (elements: Buffer[]) =>
      expect(() => codec.decode("X-1", elements)).toThrow("STOR_CORRUPT");
    refused([]);
    refused([Buffer.concat([Buffer.from([9]), element.subarray(1)])]);
    refused([element.subarray(0, 5)]);
    refused([Buffer.from("\0{")]);
  });
});

/** JSON's own text has one zero. */
function normalizeZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const digestText = fc
  .uint8Array({ minLength: 14, maxLength: 14 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
/** What the commit script writes after the part that it is sent. */
const times = (firstSeen: number, lastChanged: number): string => {
  const bytes = Buffer.alloc(12);
  bytes.writeUIntBE(firstSeen, 0, 6);
  bytes.writeUIntBE(lastChanged, 6, 6);
  return bytes.toString("latin1");
};

describe("an index entry", () => {
  test("comes back as it was packed, for any time a feed may carry, and stays compact in Redis", () => {
    fc.assert(
      fc.property(
        digestText,
        fc.option(digestText, { nil: "" }),
        fc.integer({ min: 0, max: 4e15 }),
        fc.option(fc.integer({ min: Date.parse("0000-01-01"), max: Date.parse("9999-12-31") }), {
          nil: undefined,
        }),
        (record, text, fetchedAt, lastModified) => {
          const digests: Digests = { version: 1, record, text: text === "\0".repeat(14) ? "" : text };
          const packed = packReferenced({ fetchedAt, lastModified }, digests) + times(1, 2);
          expect(packed.length).toBeLessThanOrEqual(64);
          const versions = { fetchedAt, lastModified };
          expect(unpackIndexEntry(packed)).toEqual({ ...versions, digests, firstSeen: 1, lastChanged: 2 });
        },
      ),
    );
  });

  test("of a small record without lastModified holds its content", () => {
    const content = "\0{}";
    expect(fitsInline(content.length, undefined)).toBe(true);
    expect(fitsInline(content.length, 1)).toBe(false);
    expect(fitsInline(45, undefined)).toBe(false);
    const packed = packInline({ fetchedAt: 7 }) + times(1, 2) + content;
    expect(unpackIndexEntry(packed)).toEqual({
      fetchedAt: 7,
      lastModified: undefined,
      firstSeen: 1,
      lastChanged: 2,
      inline: content,
    });
  });

  test("of a newer layout is refused, and so is a damaged one", () => {
    const digests = { version: 1, record: "0123456789abcd", text: "" };
    const packed = packReferenced({ fetchedAt: 1, lastModified: 2 }, digests) + times(1, 2);
    expect(() => unpackIndexEntry(`\u0009${packed.slice(1)}`)).toThrow("SYS_SCHEMA_NEWER");
    expect(() => unpackIndexEntry(packed.slice(0, 30))).toThrow("STOR_CORRUPT");
    expect(() => unpackIndexEntry(`\u0001${packed.slice(1)}`)).toThrow("STOR_CORRUPT");
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
