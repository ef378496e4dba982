/**
 * Turns the bytes of an answer into a decoded body: bounded, checked for the expected kind of content, with
 * backpressure.
 */
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { UeeError } from "../core/errors.ts";
import type { FetchRequest } from "../core/fetching.ts";
import type { Exchange } from "./exchange.ts";

/** Number of bytes at the start of a body that decide what kind of content it is. */
const sniffBytes = 512;

/** The decoded body in chunks. Throws UeeErrors for its own findings; foreign errors pass unchanged. */
export async function* readBody(answer: Exchange, request: FetchRequest): AsyncGenerator<Buffer> {
  const tooLarge = (): UeeError =>
    new UeeError(
      request.tooLargeCode ?? "PROV_BODY_TOO_LARGE",
      `The answer exceeds ${request.maxBytes} bytes.`,
      { data: { maxBytes: request.maxBytes } },
    );
  try {
    // Encoded bytes should be fewer than decoded ones: the bound applies to both.
    if (Number(answer.headers["content-length"] ?? 0) > request.maxBytes) throw tooLarge();
    const raw = bounded(answer.body, request.maxBytes, tooLarge);
    const { body: plain, decoded } = await decode(raw, {
      encoding: answer.headers["content-encoding"],
      expect: request.expect,
    });
    // An unencoded body is already bounded; one more generator would add event-loop turns for every chunk.
    const body = decoded ? bounded(plain, request.maxBytes, tooLarge) : plain;
    let head: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of body) {
      if (head === undefined) {
        yield chunk;
        continue;
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (head.length < sniffBytes) continue;
      refuseWebPage(head, request.expect, answer.headers["content-type"]);
      yield head;
      head = undefined;
    }
    if (head === undefined) return;
    if (head.length === 0) throw new UeeError("PROV_TRUNCATED", "The answer is empty.");
    refuseWebPage(head, request.expect, answer.headers["content-type"]);
    yield head;
  } finally {
    answer.body.destroy();
  }
}

async function* bounded(
  source: AsyncIterable<Buffer>,
  maxBytes: number,
  tooLarge: () => UeeError,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    yield chunk;
  }
}

interface Decoder {
  make(): Transform;
  /** Does content with this beginning need the decoder? A mislabelled body passes unchanged. */
  fits(head: Buffer): boolean;
}

const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b;
/** Brotli has no signature: content that begins like JSON, XML, a zip file or gzip is not decoded as Brotli. */
const looksPlain = (head: Buffer): boolean =>
  isGzip(head) || /^(?:\xef\xbb\xbf)?\s*(?:[[{<]|PK)/.test(head.toString("latin1", 0, 16));
const gzip: Decoder = { make: createGunzip, fits: isGzip };

const decoders: Readonly<Record<string, Decoder>> = {
  gzip,
  "x-gzip": gzip,
  deflate: {
    make: createInflate,
    fits: (head) => (head[0]! & 0x0f) === 8 && head.readUInt16BE(0) % 31 === 0,
  },
  br: { make: createBrotliDecompress, fits: (head) => !looksPlain(head) },
};

/** Maximum number of layers that are decoded: each costs a decoder. */
const maxLayers = 3;

/**
 * Upstreams and object stores write various tokens into Content-Encoding (`UTF-8`, `aws-chunked`, `gzip` on content
 * that is not compressed). Unknown tokens count as identity, and a known one counts if the content agrees with it.
 * Text that is compressed without a label is unpacked too. Returns the source itself when nothing has to be decoded.
 */
async function decode(
  source: AsyncIterable<Buffer>,
  { encoding, expect }: { encoding: string | undefined; expect: FetchRequest["expect"] },
): Promise<{ body: AsyncIterable<Buffer>; decoded: boolean }> {
  const layers = (encoding ?? "")
    .split(",")
    .flatMap((token) => decoders[token.trim().toLowerCase()] ?? [])
    .reverse();
  if (layers.length === 0 && (expect === "json" || expect === "xml")) layers.push(gzip);
  let body = source;
  let decoded = false;
  for (const layer of layers.slice(0, maxLayers)) {
    const peeked = await peek(body);
    body = peeked.body;
    if (peeked.head.length < 2 || !layer.fits(peeked.head)) continue;
    body = decodeWith(layer.make(), body);
    decoded = true;
  }
  return { body, decoded };
}

const peekBytes = 16;

/** The first bytes (fewer only if the source ends), and the source with these bytes still in it. */
async function peek(source: AsyncIterable<Buffer>): Promise<{ head: Buffer; body: AsyncIterable<Buffer> }> {
  const rest = source[Symbol.asyncIterator]();
  const read: Buffer[] = [];
  for (let size = 0; size < peekBytes; ) {
    const next = await rest.next();
    if (next.done) break;
    read.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(read).subarray(0, peekBytes);
  // Not a generator: it would add event-loop turns for every chunk.
  const iterator: AsyncIterator<Buffer> = {
    next: () => (read.length > 0 ? Promise.resolve({ value: read.shift()!, done: false }) : rest.next()),
    return: async () => (await rest.return?.()) ?? { value: undefined, done: true },
  };
  return { head, body: { [Symbol.asyncIterator]: () => iterator } };
}

async function* decodeWith(decoder: Transform, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // A failure of the source destroys the decoder, which reports it.
  const done = pipeline(Readable.from(source, { objectMode: false }), decoder).catch(() => {});
  try {
    yield* decoder as AsyncIterable<Buffer>;
  } finally {
    decoder.destroy();
    await done;
  }
}

const webPage = /^(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b/i;

/** Decided by the first bytes: upstreams and proxies send web pages under any content type. */
function refuseWebPage(head: Buffer, expect: FetchRequest["expect"], contentType = ""): void {
  const start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  const text = head.toString("latin1", start, start + sniffBytes).trimStart();
  const isPage =
    webPage.test(text) ||
    ((expect === "json" || expect === "zip") && text.startsWith("<")) ||
    (expect === "json" && /^text\/html\b/i.test(contentType) && !/^[[{]/.test(text));
  if (isPage) {
    throw new UeeError("PROV_HTML", undefined, { data: { body: head.toString("latin1", 0, 200) } });
  }
}

/**
 * Returns the first bytes of an unwanted body. A short body is read to its end, so that its connection can be reused.
 */
export async function readSnippet(answer: Exchange, bytes = 200): Promise<string> {
  const worthReading = 64 * 1024;
  const kept: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => answer.body.destroy(), 2_000);
  try {
    for await (const chunk of answer.body) {
      if (size < bytes) kept.push(chunk);
      size += chunk.length;
      if (size > worthReading) break;
    }
  } catch {
    // The status already contains the result.
  } finally {
    clearTimeout(timer);
  }
  return answer.headers["content-encoding"]
    ? `(${answer.headers["content-encoding"]})`
    : Buffer.concat(kept).toString("utf8", 0, bytes);
}
