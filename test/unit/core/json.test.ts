import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson, parseJsonBytes } from "../../../src/core/json.ts";

/** Keys in another order, nothing else. */
const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  const copy = {};
  for (const [key, inner] of Object.entries(value).reverse()) {
    Object.defineProperty(copy, key, {
      value: shuffled(inner),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
};

describe("the canonical text of a value", () => {
  test("reads back equal and does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (source) => {
        const value: unknown = JSON.parse(source);
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(value);
        expect(canonicalJson(shuffled(value))).toBe(text);
      }),
    );
  });

  test.each([
    ['{"b":1,"a":[2,{"d":null,"c":"x"}]}', '{"a":[2,{"c":"x","d":null}],"b":1}'],
    ['{"__proto__":{"x":1},"a":1}', '{"__proto__":{"x":1},"a":1}'],
    ['["\\ud800","\\ufffd","\\u0001"]', '["\\ud800","\ufffd","\\u0001"]'],
    ["[-0,1e21,0.1]", "[-0,1e+21,0.1]"],
  ])("of %s is %s", (source, text) => {
    expect(canonicalJson(JSON.parse(source))).toBe(text);
  });
});

describe("bytes of an answer", () => {
  test("that are no UTF-8 are told apart from what is no JSON", () => {
    expect(() => parseJsonBytes(Buffer.from([0x22, 0xff, 0x22]))).toThrow(
      expect.objectContaining({ code: "PROV_NOT_UTF8" }),
    );
    expect(() => parseJsonBytes(Buffer.from('{"a":'))).toThrow(
      expect.objectContaining({ code: "PROV_BAD_JSON" }),
    );
  });

  test("may begin with a byte order mark", () => {
    expect(parseJsonBytes(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
  });
});
