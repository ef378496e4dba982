/**
 * The dashboard's page and its files, served from memory. The list is fixed at start, so no path is ever built from a
 * request. The files contain no secrets; the login is part of the page.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import type { App } from "../../app.ts";
import { errorSchema } from "../schemas.ts";

/** Output folder of the build. */
const builtPage = fileURLToPath(new URL("../../page", import.meta.url));

/** Compressed variants that the build writes beside each file; the smaller one first. */
const encodings = [
  { name: "br", ending: ".br" },
  { name: "gzip", ending: ".gz" },
] as const;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface PageFile {
  type: string;
  etag: string;
  plain: Buffer;
  encoded: ReadonlyMap<string, Buffer>;
}

const html = z.string().meta({ id: "Page", description: "HTML" });
const content = z.string().meta({ id: "PageFile", description: "Script, style sheet or picture" });

export async function pageRoutes(app: App, folder = builtPage): Promise<void> {
  const [page, assets] = await Promise.all([readFiles(folder), readFiles(join(folder, "assets"))]);
  app.get(
    "/",
    {
      config: { access: "public" },
      schema: {
        operationId: "showPage",
        tags: ["pages"],
        summary: "The dashboard",
        security: [],
        response: { 200: { content: { "text/html": { schema: html } } } },
      },
    },
    // File names contain a hash, so files are cached without limit; the page that names them is revalidated each
    // time.
    (request, reply) =>
      deliver(page.get("index.html"), "no-cache", request, reply as unknown as FastifyReply),
  );
  app.get(
    "/assets/:file",
    {
      config: { access: "public" },
      schema: {
        operationId: "getPageFile",
        tags: ["pages"],
        summary: "A file of the dashboard; its name changes with its content",
        security: [],
        params: z.object({ file: z.string().max(100).describe("As the page names it") }),
        response: { 200: { content: { "*/*": { schema: content } } }, 404: errorSchema },
      },
    },
    (request, reply) =>
      deliver(
        assets.get(request.params.file),
        "public, max-age=31536000, immutable",
        request,
        reply as unknown as FastifyReply,
      ),
  );
}

function deliver(
  file: PageFile | undefined,
  caching: string,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (file === undefined) throw new UeeError("API_NOT_FOUND", "There is no such file of the page.");
  const accepted = String(request.headers["accept-encoding"] ?? "");
  const encoding = encodings.find(
    ({ name }) => file.encoded.has(name) && new RegExp(`\\b${name}\\b`).test(accepted),
  );
  const bytes = (encoding && file.encoded.get(encoding.name)) ?? file.plain;
  const etag = `"${file.etag}${encoding ? `-${encoding.name}` : ""}"`;
  void reply.headers({ "cache-control": caching, etag, vary: "accept-encoding" });
  if (request.headers["if-none-match"] === etag) {
    void reply.code(304).send();
    return;
  }
  if (encoding) void reply.header("content-encoding", encoding.name);
  void reply.type(file.type).send(bytes);
}

/** By name; empty if the folder does not exist, as before a build. */
async function readFiles(folder: string): Promise<Map<string, PageFile>> {
  const names = await readdir(folder).catch((): string[] => []);
  const found = new Map<string, PageFile>();
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const plain = await readFile(join(folder, name));
    const encoded = new Map<string, Buffer>();
    for (const { name: encoding, ending } of encodings) {
      if (names.includes(name + ending)) encoded.set(encoding, await readFile(join(folder, name + ending)));
    }
    found.set(name, { type, plain, encoded, etag: createHash("sha1").update(plain).digest("base64url") });
  }
  return found;
}
