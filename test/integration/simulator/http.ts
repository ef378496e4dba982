/** Plain node:http, so that nothing of our own client stands between a test and the simulator. */
import { type IncomingHttpHeaders, request } from "node:http";

export interface Exchange {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Bytes of the whole body. */
  size: number;
  /** The body ended as HTTP says it must. */
  complete: boolean;
}

export interface ExchangeOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** Keeps only the last bytes of the body: for answers that are best not held. */
  tail?: number;
}

/** Rejects when no header came; a body that broke off resolves with `complete: false`. */
export function exchange(url: string, options: ExchangeOptions = {}): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: options.method ?? "GET",
      headers: options.headers ?? {},
      agent: false,
    });
    call.once("error", reject);
    call.once("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const done = (complete: boolean): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          size,
          complete,
        });
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (options.tail === undefined) return;
        chunks.splice(0, chunks.length, Buffer.concat(chunks).subarray(-options.tail));
      });
      response.once("end", () => done(response.complete));
      response.once("error", () => done(false));
      response.once("aborted", () => done(false));
    });
    call.end(options.body);
  });
}

export const json = (answer: Exchange): unknown => JSON.parse(answer.body.toString("utf8"));

export interface NvdPage {
  resultsPerPage: number;
  startIndex: number;
  totalResults: number;
  format: string;
  version: string;
  timestamp: string;
  vulnerabilities: { cve: { id: string; lastModified: string } & Record<string, unknown> }[];
}

export const nvdPage = (answer: Exchange): NvdPage => json(answer) as NvdPage;
