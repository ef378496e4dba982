import { UeeError } from "../../core/errors.ts";

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
