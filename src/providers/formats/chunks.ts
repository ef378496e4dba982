import { isUtf8 } from "node:buffer";
import { UeeError } from "../../core/errors.ts";

/**
 * UTF-8 bytes to text, piece by piece; a byte order mark is passed over. Throws PROV_NOT_UTF8. (TextDecoder would give
 * two bytes a character for what is nearly all ASCII.)
 */
export async function* decodeUtf8(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = lastCharacterEnd(bytes);
    rest = bytes.subarray(end);
    if (end === 0) continue;
    const text = decode(bytes.subarray(0, end));
    const piece = first && text.startsWith("\uFEFF") ? text.slice(1) : text;
    first = false;
    if (piece !== "") yield piece;
  }
  if (rest.length > 0) throw new UeeError("PROV_NOT_UTF8", "The answer ends within a character.");
}

function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UeeError("PROV_NOT_UTF8");
  return bytes.toString("utf8");
}

/** Where the last character that is whole ends; what follows waits for the next chunk. */
export function lastCharacterEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
