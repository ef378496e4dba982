import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import { tarErrors } from "./formatErrors.ts";

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
