import { crc32 } from "node:zlib";
import { type Entry, fromBufferPromise } from "yauzl";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import { zipErrors } from "./formatErrors.ts";

/**
 * The content of the one `.xml` file in a zip, inflated piece by piece. The declared size is held against the bound
 * before anything is inflated; a bomb that lies about it is stopped by yauzl at the first byte too many (PROV_BAD_ZIP).
 * The CRC is ours to check.
 * Throws PROV_BAD_ZIP, PROV_BODY_TOO_LARGE, and PROV_WRONG_SHAPE when there is not exactly one `.xml` file.
 */
export async function* readZippedXml(archive: Buffer, maxBytes: number): AsyncGenerator<Buffer> {
  try {
    const zip = await fromBufferPromise(archive);
    if (zip.entryCount > bounds.zipEntries) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The zip holds more than ${bounds.zipEntries} files.`);
    }
    const found: Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      if (/\.xml$/i.test(entry.fileName)) found.push(entry);
    }
    const entry = found[0];
    if (!entry || found.length > 1) {
      throw new UeeError("PROV_WRONG_SHAPE", `The zip holds ${found.length} .xml files; one is expected.`);
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
