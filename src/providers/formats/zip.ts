import { crc32 } from "node:zlib";
import { type Entry, fromBufferPromise } from "yauzl";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import { collect } from "./collect.ts";
import { zipErrors } from "./formatErrors.ts";

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
      throw new UeeError(
        "PROV_WRONG_SHAPE",
        `The zip holds ${found.length} ${ending} files; one is expected.`,
      );
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
