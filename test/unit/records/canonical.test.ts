import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/json.ts";
import { CanonicalWriter } from "../../../src/records/canonicalWriter.ts";
import { digestOf } from "../../../src/records/digest.ts";
import { jsonRecord, prepared, reordered } from "./support.ts";

describe("a record's canonical bytes", () => {
  test("are those of canonicalJson, for any JSON", () => {
    const writer = new CanonicalWriter();
    fc.assert(
      fc.property(jsonRecord, (record) => {
        writer.writeRecord(record);
        expect(writer.bytes.toString("utf8", 0, writer.length)).toBe(canonicalJson(record));
      }),
      { numRuns: 500 },
    );
  });

  test("name every top-level field with the place of its value", () => {
    fc.assert(
      fc.property(jsonRecord, (record) => {
        const { bytes, fields } = prepared(record);
        expect(fields.map(({ name }) => name)).toEqual(Object.keys(record).sort());
        for (const { name, memberStart, start, end } of fields) {
          expect(bytes.toString("utf8", start, end)).toBe(canonicalJson(record[name]));
          expect(bytes.toString("utf8", memberStart, start)).toBe(`${canonicalJson(name)}:`);
        }
      }),
    );
  });

  test("grow with a record far larger than the buffer and are right for the next one too", () => {
    const writer = new CanonicalWriter();
    const giant = { id: "giant", text: "é\n".repeat(3_000_000) };
    writer.writeRecord(giant);
    expect(writer.bytes.toString("utf8", 0, writer.length)).toBe(canonicalJson(giant));
    writer.writeRecord({ b: 1, a: "x" });
    expect(writer.bytes.toString("utf8", 0, writer.length)).toBe('{"a":"x","b":1}');
  });
});

describe("a record's digest", () => {
  test("does not depend on the order of keys, at any depth", () => {
    fc.assert(
      fc.property(jsonRecord, (record) => {
        const other = reordered(record) as typeof record;
        expect(prepared(other).digest).toBe(prepared(record).digest);
      }),
    );
  });

  test("differs when a value, a name, the order of a list or an alias differs", () => {
    const digest = prepared({ a: [1, 2], b: "x" }).digest;
    expect(prepared({ a: [2, 1], b: "x" }).digest).not.toBe(digest);
    expect(prepared({ a: [1, 2], c: "x" }).digest).not.toBe(digest);
    expect(prepared({ a: [1, 2], b: "y" }).digest).not.toBe(digest);
    expect(prepared({ a: [1, 2], b: "x" }, ["T1"]).digest).not.toBe(digest);
  });

  test("is the one that stores already hold: another algorithm needs another DIGEST_VERSION", () => {
    const digest = digestOf(Buffer.from('{"id":"CVE-2021-44228"}'));
    expect(Buffer.from(digest, "latin1").toString("hex")).toBe("c0bedcc73adcea3bd6350a7e31cb");
  });
});
