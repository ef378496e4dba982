import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { bounds } from "../../../../src/core/bounds.ts";
import { isUeeError } from "../../../../src/core/errors.ts";
import { SourceText } from "../../../../src/core/sourceText.ts";
import {
  JsonArraySplitter,
  type JsonElement,
  likelyRecords,
  readJsonArrays,
  withoutByteOrderMark,
} from "../../../../src/providers/formats/jsonArrays.ts";
import { pieces } from "../support.ts";

const options = { arrays: ["objects"], members: ["type", "z"], id: "id" };

const split = (
  document: string | Buffer,
  chunkBytes = 7,
  more: Partial<ConstructorParameters<typeof JsonArraySplitter>[0]> = {},
) => {
  const splitter = new JsonArraySplitter({ ...options, ...more });
  const bytes = Buffer.from(document as string);
  const elements: JsonElement[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    elements.push(...splitter.write(bytes.subarray(at, at + chunkBytes)));
  }
  splitter.end();
  for (const { source } of elements) if (source.refusal === undefined) source.parse();
  return { elements, splitter };
};

const codeOf = (step: () => unknown): string => {
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
          const { elements, splitter } = split(document, chunkBytes, {
            members: Object.keys(members).concat("type"),
          });
          expect(elements.map(({ source }) => source.parse())).toEqual(parsed.objects);
          for (const { source } of elements) {
            // Measured while it was cut out as it is measured alone.
            expect(source.facts).toEqual(SourceText.of(source.text).facts);
          }
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
    expect(only?.source.text).toBe(element);
    expect(Object.keys(only?.source.parse() as object)).toEqual(["a", "__proto__", "b", "c", "d"]);
  });

  test("looks only at the top level for the array it is asked for", () => {
    const { elements } = split(`{"x":{"objects":[1]},"objects":[{"objects":[2]}]}`);
    expect(elements.map(({ source }) => source.text)).toEqual([`{"objects":[2]}`]);
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
    [`{"x":[1,{"y":tru}],"objects":[]}`, "PROV_BAD_JSON"],
    [`{"x":1.e5,"objects":[]}`, "PROV_BAD_JSON"],
    [`{"x":"\\u12g4","objects":[]}`, "PROV_BAD_JSON"],
    [`{"type":${"[".repeat(40_000)}${"]".repeat(40_000)},"objects":[]}`, "PROV_WRONG_SHAPE"],
    [Buffer.from([...Buffer.from(`{"objects":["`), 0xc3, 0x28, ...Buffer.from(`"]}`)]), "PROV_NOT_UTF8"],
    [Buffer.from([0xef, 0x7b, 0x7d]), "PROV_NOT_UTF8"],
  ])("refuses %p as %s", (document, code) => {
    for (const chunkBytes of [1, 3, 10_000]) expect(codeOf(() => split(document, chunkBytes))).toBe(code);
  });

  test("takes a list that is null for one that is not there", () => {
    for (const chunkBytes of [1, 3, 10_000]) {
      const { elements, splitter } = split(`{"objects":null,"type":"bundle"}`, chunkBytes);
      expect(elements).toEqual([]);
      expect(splitter.arrays.has("objects")).toBe(false);
      expect(splitter.members.type).toBe("bundle");
    }
  });

  test("says at which byte or in which element it is wrong, and quotes nothing", () => {
    for (const chunkBytes of [1, 4, 100]) {
      expect(() => split(`{"objects":[{"secret":1},{"a":secret}]}`, chunkBytes)).toThrow(
        /^PROV_BAD_JSON: The answer is not valid JSON in element 2 of 'objects': Unexpected token 's'\.$/,
      );
      expect(() => split(`{"objects":[{"secret":1},,{"a":secret}]}`, chunkBytes)).toThrow(
        /^PROV_BAD_JSON: The answer is not valid JSON: at byte 25, a value is expected\. At element 1 of 'objects'\.$/,
      );
    }
  });

  test("takes the wanted member of an element for the record, wherever the chunks are cut", () => {
    const record = '{"id":"a","x":[{"cve":1}]}';
    const document = `{"objects":[{"cve":${record},"y":{"id":"no"}},{"\\u0063ve":null},{"id":"c"},7]}`;
    for (const chunkBytes of [1, 2, 3, 5, 1_000]) {
      const { elements } = split(document, chunkBytes, { inner: "cve" });
      expect(elements.map(({ source }) => source.text)).toEqual([record, "null", '{"id":"c"}', "7"]);
      expect(elements[0]?.source.facts).toEqual(SourceText.of(record).facts);
      expect(elements.map(({ source }) => source.stub.id)).toEqual(["a", undefined, "c", undefined]);
    }
  });

  test("sets aside one element that is too deep, too rich or too large, with its id, and no other", () => {
    const { record } = bounds;
    const deep = `{"id":"deep","x":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
    const rich = `{"x":[${"0,".repeat(record.values)}0],"id":"rich"}`;
    const large = `{"x":"${"x".repeat(record.bytes)}","id":"large"}`;
    const fit = `{"id":"fit","x":${"[".repeat(record.depth - 1)}${"]".repeat(record.depth - 1)}}`;
    const document = `{"objects":[${[fit, deep, rich, large, fit].join(",")}]}`;
    for (const chunkBytes of [1_000, 64 * 1024, document.length]) {
      const { elements } = split(document, chunkBytes);
      expect(elements.map(({ source }) => [source.refusal?.code, source.stub.id])).toEqual([
        [undefined, "fit"],
        ["VAL_RECORD_DEPTH", "deep"],
        ["VAL_RECORD_TOO_LARGE", "rich"],
        ["VAL_RECORD_TOO_LARGE", "large"],
        [undefined, "fit"],
      ]);
      expect(elements[1]?.source.text === deep).toBe(true);
      expect(elements[3]?.source.text === large.slice(0, record.keptBytes)).toBe(true);
    }
  });

  test("refuses more elements than were asked for", () => {
    expect(codeOf(() => split(`{"objects":[1,2,3]}`, 7, { maxElements: 2 }))).toBe("PROV_WRONG_SHAPE");
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
    const splitter = new JsonArraySplitter(options);
    for await (const _ of readJsonArrays(source(), splitter)) break;
    expect(closed).toBe(true);
  });
});

describe("a whole document of which records are known", () => {
  const wrapped = { arrays: ["list"], members: ["total"], id: "id", inner: "cve" };
  const read = (document: Buffer, known: Parameters<JsonArraySplitter["writeWhole"]>[1]) => {
    const splitter = new JsonArraySplitter(wrapped);
    const elements = splitter.writeWhole(document, known);
    splitter.end();
    return { members: { ...splitter.members }, elements };
  };
  const stored = { entry: "e", same: true, lastModified: 1 };
  const page = (cves: unknown[]) =>
    Buffer.from(`\ufeff${JSON.stringify({ total: cves.length, list: cves.map((cve) => ({ cve })) })}`);

  test("has the same elements as one that is read byte by byte", () => {
    const cves = [
      { id: "A-1", text: 'a {"cve":{"id":"B' },
      { id: "A-2", nested: [{ cve: { id: "A-1", deep: [[]] } }] },
      { id: "A-3", text: "é" },
      { other: 1 },
      { id: "A-4" },
    ];
    const document = withoutByteOrderMark(page(cves));
    const plain = read(document, []);
    expect(plain.elements.map(({ source }) => source.parse())).toEqual(cves);
    const likely = likelyRecords(document, { inner: "cve", id: "id" });
    expect(likely.map(({ id }) => id)).toContain("A-3");
    // Only what is a record's whole text has a digest that the store knows.
    const known = likely
      .filter(({ start, end }) =>
        cves.some((cve) => JSON.stringify(cve) === document.toString("utf8", start, end)),
      )
      .map((place) => ({ ...place, stored }));
    expect(known.map(({ id }) => id)).toEqual(["A-1"]);
    const some = read(document, [
      ...known,
      // A place where no record begins is not passed over.
      { ...likely.find(({ id }) => id === "A-3")!, start: document.indexOf('"text":"é"'), stored },
    ]);
    expect(some.members).toEqual({ total: 5 });
    expect(some.elements.map(({ source }) => source.parse())).toEqual(cves);
    expect(some.elements.map(({ source }) => [source.id, source.stored])).toEqual([
      ["A-1", stored],
      ...Array.from({ length: 4 }, () => [undefined, undefined]),
    ]);
    const firsts = plain.elements.map(({ source }) => source.facts.values);
    expect(some.elements.map(({ source }) => source.facts.values)).toEqual([0, ...firsts.slice(1)]);
  });

  test("takes records that are not stored as they seem, and measures them when they are asked for", () => {
    const cves = [{ id: "A-1", list: [1, [2]] }, { id: "A-2" }, { id: "A-3", text: "é" }, { id: "A-4" }];
    const document = withoutByteOrderMark(page(cves));
    const other = { entry: "", same: false, lastModified: undefined };
    const found = likelyRecords(document, { inner: "cve", id: "id" }).map((place, i) => ({
      ...place,
      stored: i === 1 ? stored : other,
    }));
    expect(found.map(({ id }) => id)).toEqual(["A-1", "A-2", "A-3"]);
    const { elements } = read(document, found);
    const plain = read(document, []).elements;
    expect(elements.map(({ source }) => [source.isMeasured, source.id, source.place])).toEqual([
      [false, "A-1", "element 1 of 'list'"],
      [true, "A-2", "element 2 of 'list'"],
      [false, "A-3", "element 3 of 'list'"],
      [true, undefined, "element 4 of 'list'"],
    ]);
    expect(elements.map(({ source }) => source.text)).toEqual(plain.map(({ source }) => source.text));
    for (const i of [0, 2]) expect(elements[i]!.source.facts).toEqual(plain[i]!.source.facts);
    expect(elements.map(({ source }) => source.parse())).toEqual(cves);
  });

  test("counts its elements whether they are known or not", () => {
    const document = withoutByteOrderMark(page([{ id: "A-1" }, { id: "A-2" }, { id: "A-3" }]));
    const found = likelyRecords(document, { inner: "cve", id: "id" }).map((place) => ({ ...place, stored }));
    const splitter = new JsonArraySplitter({ ...wrapped, maxElements: 1 });
    expect(() => splitter.writeWhole(document, found)).toThrow("more than 1 elements");
  });

  test("is refused where what is around its records is no JSON, or ends early", () => {
    const document = withoutByteOrderMark(page([{ id: "A-1" }, { id: "A-2" }]));
    const known = likelyRecords(document, { inner: "cve", id: "id" }).map((place) => ({ ...place, stored }));
    expect(known).toHaveLength(1);
    const refused = (text: string) => {
      try {
        return read(Buffer.from(text, "latin1"), known) && "read";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const text = document.toString("latin1");
    expect(refused(text)).toBe("read");
    expect(refused(text.replace("},", "};"))).toBe("PROV_BAD_JSON");
    expect(refused(text.replace("}},", "}]},"))).toBe("PROV_BAD_JSON");
    expect(refused(text.slice(0, -1))).toBe("PROV_TRUNCATED");
    expect(refused(text.replace("A-2", "\xff"))).toBe("PROV_NOT_UTF8");
  });
});
