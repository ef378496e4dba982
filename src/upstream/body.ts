/** From the bytes on the wire to the decoded body: bounded, checked for being what was asked for, with backpressure. */
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { UeeError } from "../core/errors.ts";
import type { FetchRequest } from "../core/fetching.ts";
import type { Exchange } from "./exchange.ts";

/** A body is sniffed on so many of its first bytes. */
const sniffBytes = 512;

/** The decoded body in chunks. Throws UeeErrors for what it judges itself, foreign errors as they come. */
export async function* readBody(answer: Exchange, request: FetchRequest): AsyncGenerator<Buffer> {
  const tooLarge = (): UeeError =>
    new UeeError(
      request.tooLargeCode ?? "PROV_BODY_TOO_LARGE",
      `The answer exceeds ${request.maxBytes} bytes.`,
      { data: { maxBytes: request.maxBytes } },
    );
  try {
    // What is encoded should be smaller than what it decodes to: the bound holds for both.
    if (Number(answer.headers["content-length"] ?? 0) > request.maxBytes) throw tooLarge();
    const raw = bounded(answer.body, request.maxBytes, tooLarge);
    const decoded = decode(raw, answer.headers["content-encoding"]);
    // What came as it is has been bounded already; one more generator would cost every chunk its turns.
    const body = decoded === raw ? raw : bounded(decoded, request.maxBytes, tooLarge);
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

const decoders: Record<string, () => Transform> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The source itself where it is not encoded. */
function decode(source: AsyncIterable<Buffer>, encoding: string | undefined): AsyncIterable<Buffer> {
  const names = (encoding ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity");
  if (names.length === 0) return source;
  const make = decoders[names[0]!];
  if (!make || names.length > 1) {
    throw new UeeError("PROV_BAD_ENCODING", `The answer's encoding '${encoding}' is not known.`);
  }
  return decodeWith(make(), source);
}

async function* decodeWith(decoder: Transform, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // Its failure reaches us through the decoder, which it destroys.
  const done = pipeline(Readable.from(source, { objectMode: false }), decoder).catch(() => {});
  try {
    yield* decoder as AsyncIterable<Buffer>;
  } finally {
    decoder.destroy();
    await done;
  }
}

const webPage = /^(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b/i;

/** By its first bytes: upstreams and proxies send web pages under any content type. */
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

/** The first bytes of a body that is not wanted as such; what is short is read to its end, so that its connection lives on. */
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
    // The status has said all that matters.
  } finally {
    clearTimeout(timer);
  }
  return answer.headers["content-encoding"]
    ? `(${answer.headers["content-encoding"]})`
    : Buffer.concat(kept).toString("utf8", 0, bytes);
}
