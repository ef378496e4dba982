import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { UeeError } from "../../../src/core/errors.ts";
import { isObject } from "../../../src/core/json.ts";
import { JsonScanner, type JsonWatcher, unwatched } from "../../../src/core/jsonScan.ts";
import { SourceText } from "../../../src/core/sourceText.ts";
import { JsonArraySplitter } from "../../../src/providers/formats/jsonArrays.ts";

const accepts = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Gives the bytes in pieces of these sizes; each piece lies at another offset of its buffer. */
function give(bytes: Buffer, sizes: readonly number[], write: (piece: Buffer) => void): void {
  for (let at = 0, k = 0; at < bytes.length; k++) {
    const size = sizes[k % sizes.length]!;
    const offset = k % 4;
    const piece = Buffer.alloc(offset + Math.min(size, bytes.length - at), '"').subarray(offset);
    bytes.copy(piece, 0, at);
    write(piece);
    at += size;
  }
}

function scanned(bytes: Buffer, sizes: readonly number[], watcher: JsonWatcher = unwatched): JsonScanner {
  const scanner = new JsonScanner(watcher);
  give(bytes, sizes, (piece) => scanner.write(piece));
  scanner.end();
  return scanner;
}

/** Is this a document whose elements can all be read? */
function isRead(text: string, sizes: readonly number[]): boolean {
  const splitter = new JsonArraySplitter({ arrays: ["objects"], members: [], id: "id", inner: "cve" });
  try {
    give(Buffer.from(text), sizes, (piece) => {
      for (const { source } of splitter.write(piece)) source.parse();
    });
    splitter.end();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(UeeError);
    return false;
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 });
const watcher = fc.integer({ min: -1, max: 4 }).map((depth) => ({ ...unwatched, depth }));
const pieces = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "\\u00e9",
  "\\n",
  "\\x",
  "0",
  "-",
  "1",
  ".5",
  "e",
  "E+",
  "12",
];
const more = [
  "true",
  "false",
  "null",
  "tru",
  " ",
  "\n",
  "\t",
  "\u0001",
  "é",
  "\u2028",
  "a",
  '"a"',
  '"a":',
  "/",
  '""',
];
const odd = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 14 }).map((parts) => parts.join(""));
const strings = fc.string({
  unit: fc.constantFrom("a", "\\", '"', "\n", "é", " ", "\u0001", "{", "]"),
  maxLength: 40,
});
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.oneof(strings, fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(strings, tie("value"), { maxKeys: 5 }),
  ),
})).value;
const documents = fc
  .tuple(values, fc.integer({ min: 0, max: 2 }))
  .map(([value, indent]) => JSON.stringify(value, null, indent));
/** A document with something inserted in the place of some of its characters. */
const broken = fc
  .tuple(documents, odd, fc.nat(), fc.integer({ min: 0, max: 3 }))
  .map(([text, part, at, cut]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + part + text.slice(i + cut);
  });

function measured(value: unknown): { depth: number; values: number } {
  if (typeof value !== "object" || value === null) return { depth: 0, values: 1 };
  const inside = Object.values(value).map(measured);
  return {
    depth: 1 + Math.max(0, ...inside.map(({ depth }) => depth)),
    values: 1 + inside.reduce((sum, { values: count }) => sum + count, 0),
  };
}

describe("JSON over bytes", () => {
  test("takes exactly the documents that JSON.parse takes, wherever they are cut and whatever is wrong in them", () => {
    const around = fc.constantFrom(
      ["", ""],
      ['{"objects":[', "]}"],
      ['{"objects":[{"cve":', "}]}"],
      ['{"x":', ',"objects":[]}'],
      ['{"objects":[{"id":"a"}', "]}"],
      ['{"objects":[1]', "}"],
      ["{", '"objects":[]}'],
    );
    const property = fc.property(
      around,
      fc.oneof(documents, broken, odd),
      sizes,
      ([before, after], text, cut) => {
        const document = before + text + after;
        // Anything but an object is no such document, and neither is one whose list is none or comes twice.
        const value: unknown = accepts(document) ? JSON.parse(document) : undefined;
        const list = isObject(value) ? value.objects : [];
        const good = isObject(value) && (list === undefined || list === null || Array.isArray(list));
        expect([document, isRead(document, cut)]).toEqual([document, good]);
      },
    );
    fc.assert(property, { numRuns: 5_000 });
  });

  test("counts values and levels as they are, wherever the text is cut", () => {
    const property = fc.property(documents, sizes, watcher, (text, cut, watched) => {
      const { values: count, deepest } = scanned(Buffer.from(text), cut, watched);
      expect({ values: count, depth: deepest }).toEqual(measured(JSON.parse(text)));
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("every way to break a string, a number and a literal is refused at every place of a word of bytes", () => {
    const wrong = [
      '"\u0001"',
      '"\\x"',
      '"\\u00g0"',
      '"\n"',
      "01",
      "-",
      "1.",
      "1.e3",
      ".5",
      "+1",
      "1e",
      "truE",
      "nul",
      "\u00a0",
    ];
    for (const part of wrong) {
      for (let before = 0; before < 9; before++) {
        for (const text of [
          `{"k":[{"${"p".repeat(before)}":${part}}]}`,
          `{"objects":[{"${"p".repeat(before)}":${part}}]}`,
        ]) {
          expect([text, isRead(text, [text.length + 9])]).toEqual([text, false]);
          expect([text, isRead(text, [3])]).toEqual([text, false]);
        }
      }
    }
  });

  test("a number that a double may not hold is noticed, at the end of a piece too", () => {
    for (const number of ["1e400", "-1E+9", `1${"0".repeat(320)}`, `0.${"0".repeat(320)}1`]) {
      expect(SourceText.of(`{"a":[${number}]}`).facts.largeNumber).toBe(true);
      expect(scanned(Buffer.from(`[[${number}]]`), [2]).largeNumber).toBe(true);
    }
    expect(SourceText.of('{"a":[12.5,-0,7]}').facts.largeNumber).toBe(false);
  });
});
