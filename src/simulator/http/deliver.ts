/**
 * Sends an answer, complete or broken during delivery. All writes respect backpressure; nothing is buffered beyond
 * the socket's own buffer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { bodyLength, cut, type Reply } from "./reply.ts";

const gzipAsync = promisify(gzip);
const compress = (body: Buffer[]): Promise<Buffer> =>
  gzipAsync(body.length === 1 ? body[0]! : Buffer.concat(body), { level: constants.Z_BEST_SPEED });

export type DeliveryFault =
  | "oversize"
  | "truncated"
  | "truncated-chunked"
  | "truncated-clean"
  | "truncated-close"
  | "stall"
  | "slow"
  | "gzip-corrupt"
  | "wrong-content-type"
  | "http10-close";

export interface Delivery {
  fault?: DeliveryFault;
  arg: string;
  gzip: boolean;
  /** Called with the number of body bytes written to the socket. */
  sent: (bytes: number) => void;
}

/** Resolves once the answer has ended in any way. */
export async function deliver(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Reply,
  delivery: Delivery,
): Promise<void> {
  const sender = new Sender(response, delivery.sent);
  const headers: Record<string, string> = { ...answer.headers };
  let { body } = answer;
  if (delivery.fault === "wrong-content-type") headers["content-type"] = "application/octet-stream";
  const wantsGzip = delivery.gzip && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  if (delivery.fault === "gzip-corrupt") {
    body = [damage(await compress(body))];
    headers["content-encoding"] = "gzip";
  } else if (wantsGzip && body.length > 0 && /json|text|xml/.test(headers["content-type"] ?? "")) {
    body = [await compress(body)];
    headers["content-encoding"] = "gzip";
    headers.vary = "accept-encoding";
  }
  const length = bodyLength(body);
  if (request.method === "HEAD" || answer.status === 304) {
    if (answer.status !== 304) headers["content-length"] = String(length);
    response.writeHead(answer.status, headers);
    response.end();
    return;
  }
  await sender.send(answer.status, headers, body, length, delivery);
}

class Sender {
  readonly #response: ServerResponse;
  readonly #sent: (bytes: number) => void;

  constructor(response: ServerResponse, sent: (bytes: number) => void) {
    this.#response = response;
    this.#sent = sent;
  }

  async send(
    status: number,
    headers: Record<string, string>,
    body: Buffer[],
    length: number,
    { fault, arg }: Delivery,
  ): Promise<void> {
    const response = this.#response;
    const open = (extra: Record<string, string>): void => {
      response.writeHead(status, { ...headers, ...extra });
    };
    const half = Math.floor(length / 2);
    switch (fault) {
      case "truncated":
        open({ "content-length": String(length) });
        await this.#write(cut(body, half));
        return this.#destroy();
      case "truncated-chunked":
        open({ "transfer-encoding": "chunked" });
        await this.#write(cut(body, half));
        return this.#destroy();
      case "truncated-clean":
        open({ "content-length": String(half) });
        await this.#write(cut(body, half));
        break;
      case "truncated-close":
        response.useChunkedEncodingByDefault = false;
        open({ connection: "close" });
        await this.#write(cut(body, half));
        break;
      case "http10-close":
        response.useChunkedEncodingByDefault = false;
        open({ connection: "close" });
        await this.#write(body);
        break;
      case "stall":
        open({ "content-length": String(length) });
        response.flushHeaders();
        await this.#write(cut(body, Math.min(Number(arg) || 0, Math.max(0, length - 1))));
        return this.#untilClosed();
      case "slow":
        open({ "content-length": String(length) });
        await this.#drip(body, Number(arg) || 1_000);
        break;
      case "oversize":
        open({ "transfer-encoding": "chunked" });
        await this.#spaces((Number(arg) || 160) * 1_048_576);
        await this.#write(body);
        break;
      default:
        open({ "content-length": String(length) });
        await this.#write(body);
    }
    if (response.destroyed) return;
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.end(() => resolve());
    });
  }

  async #write(chunks: Iterable<Buffer>): Promise<void> {
    const response = this.#response;
    let last: Promise<void> | undefined;
    for (const chunk of chunks) {
      if (response.destroyed) return;
      this.#sent(chunk.length);
      if (response.write(chunk)) continue;
      last = drained(response);
      await last;
    }
  }

  async #spaces(bytes: number): Promise<void> {
    const blank = Buffer.alloc(262_144, 0x20);
    for (let left = bytes; left > 0 && !this.#response.destroyed; left -= blank.length)
      await this.#write([blank]);
  }

  async #drip(body: Buffer[], ms: number): Promise<void> {
    const steps = 20;
    const whole = body.length === 1 ? body[0]! : Buffer.concat(body);
    const step = Math.max(1, Math.ceil(whole.length / steps));
    for (let at = 0; at < whole.length && !this.#response.destroyed; at += step) {
      await this.#write([whole.subarray(at, at + step)]);
      await new Promise((resolve) => setTimeout(resolve, ms / steps));
    }
  }

  /** Written data leaves first, then the connection breaks. */
  async #destroy(): Promise<void> {
    const { socket } = this.#response;
    if (socket && !socket.destroyed)
      await new Promise<void>((resolve) => {
        // Called back once everything before it has left.
        socket.write("", () => resolve());
        socket.once("close", resolve);
      });
    this.#response.destroy();
  }

  #untilClosed(): Promise<void> {
    if (this.#response.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#response.once("close", resolve));
  }
}

export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}

/** Flips bytes in the middle and removes the checksum. */
function damage(zipped: Buffer): Buffer {
  const out = Buffer.from(zipped);
  for (let i = Math.floor(out.length / 2); i < out.length; i += 97) out[i] = out[i]! ^ 0x5a;
  return out.subarray(0, Math.max(20, out.length - 8));
}
