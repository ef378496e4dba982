/**
 * Sends an answer, complete or broken during delivery. All writes respect backpressure; nothing is buffered beyond
 * the socket's own buffer.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { bodyLength, cut, type Reply } from "./reply.ts";

const gzipAsync = promisify(gzip);
const compress = (body: Buffer[]): Promise<Buffer> =>
  gzipAsync(body.length === 1 ? body[0]! : Buffer.concat(body), { level: constants.Z_BEST_SPEED });

export interface Delivery {
  /** A fault of the phase `deliver`; absent: none. */
  fault?: string | undefined;
  arg: string;
  gzip: boolean;
  /** Called with the number of body bytes written to the socket. */
  sent: (bytes: number) => void;
}

/** Resolves once the answer has ended in any way. */
export async function deliver(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers: given, body: whole }: Reply,
  delivery: Delivery,
): Promise<void> {
  const { fault, arg } = delivery;
  const headers: Record<string, string> = { ...given };
  let body = whole;
  if (fault === "wrong-content-type") headers["content-type"] = "application/octet-stream";
  const wantsGzip = delivery.gzip && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  if (fault === "gzip-corrupt") {
    body = [damage(await compress(body))];
    headers["content-encoding"] = "gzip";
  } else if (wantsGzip && body.length > 0 && /json|text|xml/.test(headers["content-type"] ?? "")) {
    body = [await compress(body)];
    headers["content-encoding"] = "gzip";
    headers.vary = "accept-encoding";
  }
  const length = bodyLength(body);
  if (request.method === "HEAD" || status === 304) {
    if (status !== 304) headers["content-length"] = String(length);
    response.writeHead(status, headers);
    response.end();
    return;
  }
  const half = Math.floor(length / 2);
  const write = (chunks: Buffer[]): Promise<void> => writeAll(response, chunks, delivery.sent);
  const chunked = { "transfer-encoding": "chunked" };
  const open = (extra: Record<string, string> = { "content-length": String(length) }): void => {
    // Without a length or chunks the connection's end ends the body.
    if (extra.connection === "close") response.useChunkedEncodingByDefault = false;
    response.writeHead(status, { ...headers, ...extra });
  };
  switch (fault) {
    case "truncated":
    case "truncated-chunked":
      open(fault === "truncated" ? undefined : chunked);
      await write(cut(body, half));
      return destroy(response);
    case "truncated-clean":
      open({ "content-length": String(half) });
      await write(cut(body, half));
      break;
    case "truncated-close":
    case "http10-close":
      open({ connection: "close" });
      await write(fault === "http10-close" ? body : cut(body, half));
      break;
    case "stall":
      open();
      response.flushHeaders();
      await write(cut(body, Math.min(Number(arg) || 0, Math.max(0, length - 1))));
      if (!response.destroyed) await once(response, "close");
      return;
    case "slow": {
      open();
      const bytes = Buffer.concat(body);
      const step = Math.max(1, Math.ceil(length / 20));
      for (let at = 0; at < length && !response.destroyed; at += step) {
        await write([bytes.subarray(at, at + step)]);
        await pause((Number(arg) || 1_000) / 20);
      }
      break;
    }
    case "oversize": {
      open(chunked);
      const blank = Buffer.alloc(262_144, 0x20);
      for (let left = (Number(arg) || 160) * 4; left > 0 && !response.destroyed; left--) await write([blank]);
      await write(body);
      break;
    }
    default:
      open();
      await write(body);
  }
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(() => resolve());
  });
}

async function writeAll(
  response: ServerResponse,
  chunks: Buffer[],
  sent: (bytes: number) => void,
): Promise<void> {
  for (const chunk of chunks) {
    if (response.destroyed) return;
    sent(chunk.length);
    if (!response.write(chunk)) await drained(response);
  }
}

/** Written data leaves first, then the connection breaks. */
async function destroy(response: ServerResponse): Promise<void> {
  const { socket } = response;
  if (socket && !socket.destroyed)
    await new Promise<void>((resolve) => {
      // Called back once everything before it has left.
      socket.write("", () => resolve());
      socket.once("close", resolve);
    });
  response.destroy();
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
