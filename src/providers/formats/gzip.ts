import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import { gzipErrors } from "./formatErrors.ts";

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
  const content = pipeline(source, createGunzip(), () => undefined);
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
