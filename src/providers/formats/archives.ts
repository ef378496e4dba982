/**
 * Files that hold files: gzip, zip and tar, over libraries and within the bounds of core/bounds.ts. What the libraries throw
 * means that the answer is not what it claims to be.
 */
import { pipeline, Readable } from "node:stream";
import { crc32, createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { type Entry, fromBufferPromise } from "yauzl";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import type { ForeignTable } from "../../core/foreignErrors.ts";

export const zipErrors: ForeignTable = {
  library: "yauzl and zlib",
  patterns: [{ when: {}, as: "PROV_BAD_ZIP", says: "The answer is not a valid zip file: {}." }],
};

/** zlib calls back once for each piece of its output: small ones cost more than inflating. */
const PIECE_BYTES = 128 * 1024;

const gzipErrors: ForeignTable = {
  library: "zlib (gzip)",
  patterns: [
    { when: { code: /^Z_BUF_ERROR$/ }, as: "PROV_TRUNCATED", says: "The gzip file ends too early." },
    { when: { code: /^Z_/ }, as: "PROV_BAD_ENCODING", says: "The answer is not a valid gzip file: {}." },
  ],
};

const tarErrors: ForeignTable = {
  library: "tar-stream",
  patterns: [
    { when: { message: /Unexpected end/ }, as: "PROV_TRUNCATED", says: "The tar file ends too early." },
    { when: {}, as: "PROV_BAD_TAR", says: "The answer is not a valid tar file: {}." },
  ],
};

/** All bytes at once, for formats that cannot be read piece by piece. Throws PROV_BODY_TOO_LARGE. */
export async function collect(source: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of source) {
    size += piece.length;
    if (size > maxBytes) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The file is larger than ${maxBytes} bytes.`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size);
}

/**
 * The content of a gzip file, piece by piece. Throws PROV_TRUNCATED, PROV_BAD_ENCODING, and PROV_BODY_TOO_LARGE beyond
 * `maxBytes` of content.
 */
export async function* readGzip(
  source: AsyncIterable<Buffer>,
  maxBytes: number = bounds.inflatedBytes,
): AsyncGenerator<Buffer> {
  let size = 0;
  // The error comes out of the iteration below; without a callback the pipeline would throw it a second time.
  const content = pipeline(source, createGunzip({ chunkSize: PIECE_BYTES }), () => undefined);
  try {
    for await (const piece of content as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > maxBytes) {
        throw new UeeError("PROV_BODY_TOO_LARGE", `The file's content is larger than ${maxBytes} bytes.`);
      }
      yield piece;
    }
  } catch (error) {
    throw fromForeign(error, gzipErrors) ?? error;
  }
}

/**
 * The content of the one file in a zip whose name ends with `ending` (for example `.xml`), inflated piece by piece. The
 * declared size is compared with the bound before anything is inflated. yauzl stops a bomb that declares a wrong size at
 * the first byte too many (PROV_BAD_ZIP); it does not check the CRC, so this does.
 * Throws PROV_BAD_ZIP, PROV_BODY_TOO_LARGE, and PROV_WRONG_SHAPE when there is not exactly one such file.
 */
export async function* readZip(
  source: AsyncIterable<Buffer>,
  ending: string,
  maxBytes: number = bounds.inflatedBytes,
): AsyncGenerator<Buffer> {
  // A zip's directory is at its end.
  const archive = await collect(source, bounds.zipBytes);
  try {
    const zip = await fromBufferPromise(archive);
    if (zip.entryCount > bounds.zipEntries) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The zip holds more than ${bounds.zipEntries} files.`);
    }
    const found: Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.toLowerCase().endsWith(ending)) found.push(entry);
    }
    const entry = found[0];
    if (!entry || found.length > 1) {
      const detail = `The zip holds ${found.length} ${ending} files; one is expected.`;
      throw new UeeError("PROV_WRONG_SHAPE", detail);
    }
    if (entry.isEncrypted()) throw new UeeError("PROV_BAD_ZIP", "The zip is encrypted.");
    if (entry.uncompressedSize > maxBytes) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The zip's content is larger than ${maxBytes} bytes.`);
    }
    const stream = await zip.openReadStreamPromise(entry);
    let checksum = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
    if (checksum !== entry.crc32) throw new UeeError("PROV_BAD_ZIP", "The zip's checksum does not match.");
  } catch (error) {
    throw fromForeign(error, zipErrors);
  }
}

export interface TarFile {
  name: string;
  content: Buffer;
}

/**
 * The files of a tar archive, one at a time; directories, links and other entries are passed over. Throws PROV_BAD_TAR,
 * PROV_TRUNCATED, and PROV_BODY_TOO_LARGE for a file beyond `maxBytes` or for more files than `bounds.tarFiles`.
 */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  maxBytes: number = bounds.record.bytes,
): AsyncGenerator<TarFile> {
  const archive = extract();
  const input = Readable.from(source);
  input.on("error", (error) => archive.destroy(error));
  input.pipe(archive);
  let files = 0;
  try {
    for await (const entry of archive) {
      const { name, type, size = 0 } = entry.header;
      if (type !== "file") {
        entry.resume();
        continue;
      }
      if (++files > bounds.tarFiles) {
        throw new UeeError("PROV_BODY_TOO_LARGE", `The tar holds more than ${bounds.tarFiles} files.`);
      }
      if (size > maxBytes) {
        throw new UeeError("PROV_BODY_TOO_LARGE", `A file of the tar is larger than ${maxBytes} bytes.`);
      }
      const pieces: Buffer[] = [];
      for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece);
      yield { name, content: Buffer.concat(pieces) };
    }
  } catch (error) {
    throw fromForeign(error, tarErrors) ?? error;
  } finally {
    input.destroy();
  }
}
