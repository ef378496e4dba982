/** Static files with validators, as web servers send them: ETag, Last-Modified, 304. */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type Reply, reply } from "../http/reply.ts";

export interface StaticFile {
  body: Buffer;
  contentType: string;
  etag: string;
  /** ms, whole seconds. */
  lastModified: number;
}

export function staticFile(body: Buffer, contentType: string, lastModified: number): StaticFile {
  const etag = `"${createHash("sha1").update(body).digest("hex").slice(0, 20)}"`;
  return { body, contentType, etag, lastModified: Math.floor(lastModified / 1_000) * 1_000 };
}

/** 304 when the client has this very file; If-None-Match goes before If-Modified-Since. */
export function serveFile(file: StaticFile, headers: IncomingHttpHeaders): Reply {
  const validators = { etag: file.etag, "last-modified": new Date(file.lastModified).toUTCString() };
  if (isKnown(file, headers)) return reply(304, validators);
  return reply(200, { "content-type": file.contentType, ...validators }, file.body);
}

function isKnown({ etag, lastModified }: StaticFile, headers: IncomingHttpHeaders): boolean {
  const tags = headers["if-none-match"];
  if (tags !== undefined)
    return tags === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return !Number.isNaN(since) && lastModified <= since;
}
