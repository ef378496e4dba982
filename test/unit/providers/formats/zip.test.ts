import { describe, expect, test } from "@jest/globals";
import { isUeeError } from "../../../../src/core/errors.ts";
import { readZip } from "../../../../src/providers/formats/archives.ts";
import { sniffContent } from "../../../../src/providers/formats/sniff.ts";
import { makeZip, pieces } from "../support.ts";

const content = Buffer.from("<a>".padEnd(200_000, "x"));

async function inflate(archive: Buffer, maxBytes = 1_000_000): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readZip(pieces(archive, 1_000), ".xml", maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isUeeError(error) ? error.code : String(error)),
  );

describe("A zipped catalogue", () => {
  test("is the one .xml file in the zip, whatever else lies beside it", async () => {
    const archive = makeZip([
      { name: "readme.txt", content: Buffer.from("hello") },
      { name: "cwec_v4.18.XML", content },
    ]);
    expect((await inflate(archive)).equals(content)).toBe(true);
  });

  test.each([
    ["none", []],
    ["two", ["a.xml", "b.xml"]],
  ])("is refused when %s of its files are XML", async (_, names) => {
    const archive = makeZip([{ name: "x.txt", content }, ...names.map((name) => ({ name, content }))]);
    expect(await codeOf(inflate(archive))).toBe("PROV_WRONG_SHAPE");
  });

  test("is refused before it is inflated when it says it is beyond the bound", async () => {
    expect(await codeOf(inflate(makeZip([{ name: "a.xml", content }]), 100_000))).toBe("PROV_BODY_TOO_LARGE");
  });

  test("is stopped at its declared size when it lies about it", async () => {
    const bomb = readZip(
      pieces(makeZip([{ name: "a.xml", content: Buffer.alloc(20_000_000), size: 50_000 }]), 1_000),
      ".xml",
      100_000,
    );
    let bytes = 0;
    const reading = (async () => {
      for await (const chunk of bomb) bytes += chunk.length;
    })();
    expect(await codeOf(reading)).toBe("PROV_BAD_ZIP");
    expect(bytes).toBeLessThanOrEqual(50_000);
  });

  test("is refused when its checksum does not match", async () => {
    expect(await codeOf(inflate(makeZip([{ name: "a.xml", content, crc: 1 }])))).toBe("PROV_BAD_ZIP");
  });

  test("is refused when it is cut off or damaged", async () => {
    const archive = makeZip([{ name: "a.xml", content }]);
    for (const length of [4, 30, 60, archive.length - 1]) {
      expect(await codeOf(inflate(archive.subarray(0, length)))).toBe("PROV_BAD_ZIP");
    }
    const damaged = Buffer.from(archive);
    damaged.fill(0xff, 60, 90);
    expect(await codeOf(inflate(damaged))).toBe("PROV_BAD_ZIP");
  });
});

describe("A body", () => {
  test.each([
    [makeZip([]), "zip"],
    [makeZip([{ name: "a.xml", content }]), "zip"],
    [Buffer.from("\uFEFF\n <?xml?>"), "xml"],
    [Buffer.from("<Weakness_Catalog>"), "xml"],
    [Buffer.from(' {"a":1}'), "json"],
    [Buffer.from("[]"), "json"],
    [Buffer.from([0x1f, 0x8b, 8, 0]), "gzip"],
    [Buffer.from("error code: 524"), "text"],
  ])("is recognised by its first bytes", (body, kind) => {
    expect(sniffContent(body)).toBe(kind);
  });

  test.each([
    [Buffer.from(""), "PROV_TRUNCATED"],
    [Buffer.from(" \n"), "PROV_TRUNCATED"],
    [Buffer.from("<!DOCTYPE html><html>"), "PROV_HTML"],
    [Buffer.from("<HTML lang='en'>"), "PROV_HTML"],
    [Buffer.from("\ufeff<x/>", "utf16le"), "PROV_NOT_UTF8"],
  ])("that is none of ours is refused as what it is", async (body, code) => {
    expect(await codeOf(Promise.resolve().then(() => sniffContent(body)))).toBe(code);
  });
});
