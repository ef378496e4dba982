import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import yauzl from "yauzl";
import { brokenZip, brokenZipKinds, zip, zipBomb } from "../../../src/simulator/snapshot/zip.ts";

const open = promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer);

/** Reads the only entry with an independent reader; stops after `limit` bytes. */
async function unzip(
  bytes: Buffer,
  limit = Number.POSITIVE_INFINITY,
): Promise<{ name: string; bytes: number; data: Buffer }> {
  const file = await open(bytes, { lazyEntries: true, validateEntrySizes: false });
  const entry = await new Promise<yauzl.Entry>((resolve, reject) => {
    file
      .once("entry", resolve)
      .once("end", () => reject(new Error("no entry")))
      .once("error", reject);
    file.readEntry();
  });
  const stream = await promisify(
    file.openReadStream.bind(file) as (
      entry: yauzl.Entry,
      done: (error: Error | null, stream: NodeJS.ReadableStream) => void,
    ) => void,
  )(entry);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) break;
    chunks.push(chunk);
  }
  return { name: entry.fileName, bytes: size, data: Buffer.concat(chunks) };
}

const entry = { name: "cwec_v4.18.xml", data: Buffer.from(`<a>${"text ".repeat(10_000)}</a>`) };

describe("Zip files", () => {
  test("are read by others as what went in", async () => {
    const { name, data } = await unzip(zip(entry));
    expect(name).toBe(entry.name);
    expect(data.equals(entry.data)).toBe(true);
  });

  test.each(brokenZipKinds.filter((kind) => kind !== "crc"))(
    "of the kind '%s' cannot be read",
    async (kind) => {
      await expect(unzip(brokenZip(kind, entry))).rejects.toThrow();
    },
  );

  test("with a wrong checksum differ from right ones in the checksum alone", () => {
    const right = zip(entry);
    const wrong = brokenZip("crc", entry);
    expect(wrong.length).toBe(right.length);
    const different = [...right.keys()].filter((i) => right[i] !== wrong[i]);
    expect(different.length).toBeGreaterThan(0);
    expect(different.length).toBeLessThanOrEqual(8);
  });

  test("that are bombs are small and inflate far beyond what they claim", async () => {
    const bomb = zipBomb(64, "x.xml", "<a>", "</a>");
    expect(bomb.length).toBeLessThan(200_000);
    const { bytes } = await unzip(bomb, 40 * 1_048_576);
    expect(bytes).toBeGreaterThan(40 * 1_048_576);
  });
});
