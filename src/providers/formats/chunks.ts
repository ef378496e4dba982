import { setImmediate } from "node:timers/promises";
import { UeeError } from "../../core/errors.ts";

const CHUNK_BYTES = 64 * 1024;
/** Parsing is synchronous; after this much of it timers and sockets get their turn (lock renewals, heartbeats). */
const BREATHE_BYTES = 1024 * 1024;

/** A body in pieces, letting the event loop breathe in between. */
export async function* inChunks(body: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    if (at > 0 && at % BREATHE_BYTES === 0) await setImmediate();
    yield body.subarray(at, at + CHUNK_BYTES);
  }
}

/** UTF-8 bytes to text, piece by piece; a byte order mark is passed over. Throws PROV_NOT_UTF8. */
export async function* decodeUtf8(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new UeeError("PROV_NOT_UTF8", undefined, { cause });
    }
  };
  for await (const chunk of source) {
    const text = decode(chunk);
    if (text !== "") yield text;
  }
  const rest = decode();
  if (rest !== "") yield rest;
}
