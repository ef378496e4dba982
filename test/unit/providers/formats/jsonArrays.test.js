import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isUeeError } from "../../../../src/core/errors.js";
import { JsonArraySplitter, readJsonArrays } from "../../../../src/providers/formats/jsonArrays.js";
import { pieces } from "../support.js";

const split = (document, chunkBytes = 7, maxElementBytes = 1_000) => {
  const splitter = new JsonArraySplitter({ arrays: ["objects"], maxElementBytes });
  const bytes = Buffer.from(document);
  const elements = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    elements.push(...splitter.write(bytes.subarray(at, at + chunkBytes)));
  }
  splitter.end();
  return { elements, splitter };
};
const codeOf = (step) => {
  try {
    step();
  } catch (error) {
    return isUeeError(error) ? error.code : String(error);
  }
  return "no error";
};
describe("A large JSON document, element by element", () => {
  test("gives exactly what JSON.parse gives, wherever the chunks are cut and however it is indented", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 3 }),
        (objects, members, chunkBytes, indent) => {
          const document = JSON.stringify({ ...members, objects, type: "bundle" }, null, indent);
          const parsed = JSON.parse(document);
          const { elements, splitter } = split(document, chunkBytes, 100_000);
          expect(elements.map(({ value }) => value)).toEqual(parsed.objects);
          expect(elements.map(({ text }) => JSON.parse(text))).toEqual(parsed.objects);
          delete parsed.objects;
          expect({ ...splitter.members }).toEqual({ ...parsed });
        },
      ),
      { numRuns: 150 },
    );
  });
  test("keeps lone surrogates, __proto__, big numbers' text and escapes as they are", () => {
    const element = String.raw`{"a":"\ud800","__proto__":{"x":1},"b":"\\\"","c":1e400,"d":"�"}`;
    const [only] = split(`{"objects":[${element}]}`).elements;
    expect(only?.text).toBe(element);
    expect(Object.keys(only?.value)).toEqual(["a", "__proto__", "b", "c", "d"]);
  });
  test("looks only at the top level for the array it is asked for", () => {
    const { elements } = split(`{"x":{"objects":[1]},"objects":[{"objects":[2]}]}`);
    expect(elements.map(({ text }) => text)).toEqual([`{"objects":[2]}`]);
  });
  test("passes over a byte order mark", () => {
    for (const chunkBytes of [1, 2, 3, 50]) {
      expect(split(`\uFEFF {"objects":[1]}`, chunkBytes).elements.length).toBe(1);
    }
  });
  test("calls a document cut off anywhere truncated or bad, never whole", () => {
    const document = Buffer.from(`{"type":"bundle","objects":[{"a":"b\\"c","d":[1,{}]},2,null],"z":true}`);
    for (let length = 0; length < document.length; length++) {
      for (const chunkBytes of [1, 5, 100]) {
        expect(codeOf(() => split(document.subarray(0, length), chunkBytes))).toBe("PROV_TRUNCATED");
      }
    }
  });
  test.each([
    ["", "PROV_TRUNCATED"],
    ["[1]", "PROV_WRONG_SHAPE"],
    ["12", "PROV_WRONG_SHAPE"],
    [`"text"`, "PROV_WRONG_SHAPE"],
    [`{"objects":{}}`, "PROV_WRONG_SHAPE"],
    [`{"objects":null}`, "PROV_WRONG_SHAPE"],
    [`{"objects":[1],"objects":[2]}`, "PROV_WRONG_SHAPE"],
    ["<html>", "PROV_BAD_JSON"],
    [`{"objects":[1]} x`, "PROV_BAD_JSON"],
    [`{"objects":[1]}{}`, "PROV_BAD_JSON"],
    [`{"objects":[1,]}`, "PROV_BAD_JSON"],
    [`{"objects":[,1]}`, "PROV_BAD_JSON"],
    [`{"objects":[1 2]}`, "PROV_BAD_JSON"],
    [`{"objects":[1}]}`, "PROV_BAD_JSON"],
    [`{"objects":[{]}]}`, "PROV_BAD_JSON"],
    [`{"objects":[{"a":1]]}`, "PROV_BAD_JSON"],
    [`{"objects":[tru]}`, "PROV_BAD_JSON"],
    [`{"objects":[01]}`, "PROV_BAD_JSON"],
    [`{"objects":["a\nb"]}`, "PROV_BAD_JSON"],
    [`{"objects":["\\x"]}`, "PROV_BAD_JSON"],
    [`{"objects":[1],}`, "PROV_BAD_JSON"],
    [`{objects:[1]}`, "PROV_BAD_JSON"],
    [`{"a" 1}`, "PROV_BAD_JSON"],
    [`{"a":,"b":1}`, "PROV_BAD_JSON"],
    [`{"a":nul}`, "PROV_BAD_JSON"],
    [`{"objects":[${"[".repeat(300)}${"]".repeat(300)}]}`, "PROV_BAD_JSON"],
    [`{"objects":["${"x".repeat(2_000)}"]}`, "PROV_BODY_TOO_LARGE"],
    [Buffer.from([...Buffer.from(`{"objects":["`), 0xc3, 0x28, ...Buffer.from(`"]}`)]), "PROV_NOT_UTF8"],
    [Buffer.from([0xef, 0x7b, 0x7d]), "PROV_BAD_JSON"],
  ])("refuses %p as %s", (document, code) => {
    for (const chunkBytes of [1, 3, 10_000]) expect(codeOf(() => split(document, chunkBytes))).toBe(code);
  });
  test("closes its source when the reader stops early", async () => {
    let closed = false;
    async function* source() {
      try {
        yield* pieces(Buffer.from(`{"objects":[1,2,3,4]}`), 2);
      } finally {
        closed = true;
      }
    }
    const splitter = new JsonArraySplitter({ arrays: ["objects"], maxElementBytes: 100 });
    for await (const _ of readJsonArrays(source(), splitter)) break;
    expect(closed).toBe(true);
  });
});
