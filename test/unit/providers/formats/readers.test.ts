/** The readers of formats that authors of sources use: gzip, tar, CSV, lines. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { pack } from "tar-stream";
import { isUeeError } from "../../../../src/core/errors.ts";
import { SourceText } from "../../../../src/core/sourceText.ts";
import { readGzip, readTar } from "../../../../src/providers/formats/archives.ts";
import { recognise } from "../../../../src/providers/formats/sniff.ts";
import { readCsv, readJsonLines, splitFirstLine } from "../../../../src/providers/formats/text.ts";
import { pieces } from "../support.ts";

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

const bytesOf = async (source: AsyncIterable<Buffer>): Promise<Buffer> => Buffer.concat(await all(source));

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isUeeError(error) ? error.code : String(error)),
  );

describe("A gzip file", () => {
  const content = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${i * 7919}\n`).join(""));
  const archive = gzipSync(content);

  test("is read as its content, also when it consists of several members", async () => {
    expect((await bytesOf(readGzip(pieces(archive, 999)))).equals(content)).toBe(true);
    const twice = Buffer.concat([archive, gzipSync("and more")]);
    expect((await bytesOf(readGzip(pieces(twice, 4_096)))).toString()).toBe(`${content}and more`);
  });

  test("is refused when it ends too early, is damaged, or inflates beyond the bound", async () => {
    for (const length of [12, 500, archive.length - 1]) {
      expect(await codeOf(bytesOf(readGzip(pieces(archive.subarray(0, length), 100))))).toBe(
        "PROV_TRUNCATED",
      );
    }
    const damaged = Buffer.from(archive);
    damaged.fill(0xff, 100, 140);
    expect(await codeOf(bytesOf(readGzip(pieces(damaged, 100))))).toBe("PROV_BAD_ENCODING");
    expect(await codeOf(bytesOf(readGzip(pieces(archive, 100), 10_000)))).toBe("PROV_BODY_TOO_LARGE");
  });
});

describe("A tar archive", () => {
  const archive = async (files: Record<string, string>): Promise<Buffer> => {
    const made = pack();
    made.entry({ name: "folder/", type: "directory" });
    for (const [name, text] of Object.entries(files)) made.entry({ name }, text);
    made.finalize();
    return bytesOf(made as unknown as AsyncIterable<Buffer>);
  };

  test("is read file by file, without its folders", async () => {
    const bytes = await archive({ "folder/a.json": "{}", "b.json": "x".repeat(5_000) });
    const files = await all(readTar(pieces(bytes, 700)));
    expect(files.map(({ name, content }) => [name, content.toString()])).toEqual([
      ["folder/a.json", "{}"],
      ["b.json", "x".repeat(5_000)],
    ]);
  });

  test("is refused when it is none, ends too early, or holds a file beyond the bound", async () => {
    expect(await codeOf(all(readTar(pieces(Buffer.alloc(2_048, "x"), 512))))).toBe("PROV_BAD_TAR");
    const bytes = await archive({ "b.json": "x".repeat(5_000) });
    expect(await codeOf(all(readTar(pieces(bytes.subarray(0, 3_000), 512))))).toBe("PROV_TRUNCATED");
    expect(await codeOf(all(readTar(pieces(bytes, 512), 4_000)))).toBe("PROV_BODY_TOO_LARGE");
  });
});

describe("A CSV file", () => {
  async function* texts(text: string, size = 7): AsyncGenerator<string> {
    for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
  }
  const rowsOf = async (text: string): Promise<unknown[]> =>
    (await all(readCsv(texts(text), { required: ["id"] }))).flat();

  test("is read as objects by column name, values as they were written", async () => {
    expect(await rowsOf('id,score,__proto__\nA,0.10,1\r\n"B ""x"", y",,\n')).toEqual([
      Object.assign(Object.create(null), { id: "A", score: "0.10", ["__proto__"]: "1" }),
      Object.assign(Object.create(null), { id: 'B "x", y', score: "", ["__proto__"]: "" }),
    ]);
  });

  test("refuses only the rows of another width, and keeps what tells their ids", async () => {
    const rows = await rowsOf("id,score\nA,1\nB\nC,1,2\nD,2\n");
    expect(rows.map((row) => (row instanceof SourceText ? [row.refusal?.code, row.stub.id] : row))).toEqual([
      { id: "A", score: "1" },
      ["VAL_RECORD_SHAPE", "B"],
      ["VAL_RECORD_SHAPE", "C"],
      { id: "D", score: "2" },
    ]);
  });

  test("gives on every row of a large file once", async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `id-${i},${i}`);
    const rows = (
      await all(readCsv(texts(`id,n\n${lines.join("\n")}\n`, 60_000), { required: ["id"] }))
    ).flat();
    expect(rows.map((row) => Object.values(row).join(","))).toEqual(lines);
  });

  test.each([
    ["has other columns", "cve,score\nA,1\n", "PROV_WRONG_SHAPE"],
    ["names a column twice", "id,id\nA,1\n", "PROV_WRONG_SHAPE"],
    ["is empty", "", "PROV_TRUNCATED"],
    ["ends within a row", "id,score\nA,1\nB,0.0", "PROV_TRUNCATED"],
    ["ends within quotes", 'id,score\nA,"1\n', "PROV_TRUNCATED"],
    ["has a quote within a value", 'id,score\nA,1"2\n', "PROV_BAD_CSV"],
  ])("that %s is refused as a whole", async (_, text, code) => {
    expect(await codeOf(rowsOf(text))).toBe(code);
  });

  test("fails with the error that its own source met", async () => {
    async function* broken(): AsyncGenerator<string> {
      yield "id\nA\n";
      throw new TypeError("the connection is gone");
    }
    await expect(all(readCsv(broken(), { required: ["id"] }))).rejects.toThrow("the connection is gone");
  });
});

describe("Lines", () => {
  test("of JSON are records, blank ones none, and one that is not JSON is named", async () => {
    const bytes = Buffer.from('{"a":1}\r\n\n{"b":"é"}');
    const records = (await all(readJsonLines(pieces(bytes, 5)))).flat();
    expect(records.map((record) => record.parse())).toEqual([{ a: 1 }, { b: "é" }]);
    await expect(all(readJsonLines(pieces(Buffer.from("{}\n{\n"), 5)))).rejects.toThrow("Line 2");
  });

  test("are split after the first one", async () => {
    const { line, rest } = await splitFirstLine(pieces(Buffer.from("#a:b\r\nc\nd"), 3));
    expect([line, (await all(rest)).join("")]).toEqual(["#a:b", "c\nd"]);
    expect((await splitFirstLine(pieces(Buffer.from("only"), 3))).line).toBe("only");
  });
});

test("A stream that was recognised is still read from its beginning, and released when it is left", async () => {
  let released = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      for (const text of [" ", '{"a"', ":1}", "x".repeat(2_000), "end"]) yield Buffer.from(text);
    } finally {
      released = true;
    }
  }
  const { kind, bytes } = await recognise(source());
  expect(kind).toBe("json");
  for await (const piece of bytes) {
    expect(piece.toString()).toMatch(/^ \{"a":1\}x+$/);
    break;
  }
  expect(released).toBe(true);
});
