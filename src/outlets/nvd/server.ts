/**
 * The NVD-compatible server: the CVE API 2.0 and the year feeds out of the mirror, for clients that know only NVD. It
 * serves what was verified and says how old it is; clients get 503 rather than data that is too old.
 */
import { rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fastifyStatic } from "@fastify/static";
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from "fastify";
import { isLoopbackHost, sameSecret } from "../../core/access.ts";
import { UeeError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { nvdTime } from "../../core/time.ts";
import type { Engine } from "../../engine/api.ts";
import { CveApi } from "./api.ts";
import { FeedChanged, Feeds, feedDirectory } from "./feeds.ts";
import { CveMirror, type Verified } from "./mirror.ts";
import { Refusal } from "./query.ts";

const API = "/rest/json/cves/2.0";
const FEEDS = "/feeds/json/cve/2.0";

export interface ServeOptions {
  logger: Logger;
  /** Default: 127.0.0.1, with a token 0.0.0.0. */
  host?: string | undefined;
  /** 0: any free port. */
  port: number;
  /** UEE_SERVE_TOKEN. */
  token?: string | undefined;
  /** A mirror that was verified longer ago answers 503, ms. */
  maxAgeMs?: number | undefined;
  trustProxy?: number;
}

interface Backend {
  mirror: CveMirror;
  feeds: Feeds;
}

export interface RunningServe {
  readonly url: string;
  /** Reads the mirror and follows it until the signal fires. Rejects with what no repetition can help. */
  serve(engine: Engine, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Why it cannot answer now, for the header `message`. */
class Unavailable extends Error {
  readonly retryAfterS: number;

  constructor(message: string, retryAfterS: number) {
    super(message);
    this.retryAfterS = retryAfterS;
  }
}

/** @throws UeeError API_TOKEN_REQUIRED, API_CANNOT_LISTEN */
export async function listenServe(options: ServeOptions): Promise<RunningServe> {
  const { token, logger, port } = options;
  const host = options.host ?? (token === undefined ? "127.0.0.1" : "0.0.0.0");
  if (token === undefined && !isLoopbackHost(host)) {
    const detail = `Without UEE_SERVE_TOKEN the NVD-compatible server does not listen on ${host}.`;
    throw new UeeError("API_TOKEN_REQUIRED", detail);
  }
  let current: { backend: Backend; api: CveApi } | undefined;
  const app = await build(options, () => {
    if (!current) throw new Unavailable("Redis has not been reached yet.", 1);
    return current;
  });
  await app.listen({ host, port }).catch(async (error: NodeJS.ErrnoException) => {
    await app.close();
    const detail = `The NVD-compatible server cannot listen on ${host}, port ${port}: ${error.code ?? error.message}.`;
    throw new UeeError("API_CANNOT_LISTEN", detail, { cause: error, data: { reason: error.code } });
  });
  const address = app.server.address() as AddressInfo;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const url = `http://${name}:${address.port}`;
  logger.info({ event: "serve_listening", url, host }, `NVD-compatible server at ${url}`);
  return {
    url,
    async serve(engine, signal) {
      const mirror = new CveMirror({ engine, logger });
      const directory = await feedDirectory();
      const feeds = new Feeds(mirror, directory, logger);
      current = { backend: { mirror, feeds }, api: new CveApi(mirror) };
      try {
        await Promise.all([mirror.run(signal), feeds.run(signal)]);
      } finally {
        current = undefined;
        await rm(directory, { recursive: true, force: true });
      }
    },
    close: () => app.close(),
  };
}

async function build(
  options: ServeOptions,
  served: () => { backend: Backend; api: CveApi },
): Promise<FastifyInstance> {
  const { token, logger } = options;
  const app = fastify({
    loggerInstance: logger.child({ component: "serve" }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: (_address, hop) => hop < (options.trustProxy ?? 0),
    requestTimeout: 30_000,
    forceCloseConnections: "idle",
    routerOptions: { ignoreTrailingSlash: true },
  });
  await app.register(fastifyStatic, { root: tmpdir(), serve: false });

  app.addHook("onRequest", async (request, reply) => {
    reply.header("access-control-allow-origin", "*");
    if (request.method === "OPTIONS" || request.routeOptions.config.open) return;
    if (token !== undefined && !keysOf(request).some((key) => sameSecret(key, token))) {
      // NVD's own answer to a wrong key; programs that read feeds know only Basic.
      if (!request.url.startsWith(FEEDS)) throw new Refusal("Invalid apiKey.");
      return reply.code(401).header("www-authenticate", 'Basic realm="UEE"').send();
    }
    const verified = assertServable(served().backend.mirror, options.maxAgeMs);
    reply
      .header("x-uee-verified-at", verified.verifiedAt)
      .header("x-uee-watermark", verified.watermark ?? "");
  });

  app.setErrorHandler((error, request, reply) => {
    if (error instanceof Refusal) return refuse(reply, 404, error.message);
    if (error instanceof Unavailable) {
      return refuse(reply.header("retry-after", String(error.retryAfterS)), 503, error.message);
    }
    if (error instanceof FeedChanged) return refuse(reply.header("retry-after", "1"), 503, error.message);
    request.log.error({ event: "serve_failed", err: error }, "a request could not be answered");
    return refuse(reply.header("retry-after", "5"), 503, "The mirror cannot be read at present.");
  });
  app.setNotFoundHandler((request, reply) => refuse(reply, 404, `There is nothing at ${pathOf(request)}.`));

  app.options("*", (_request, reply) =>
    reply
      .header("access-control-allow-methods", "GET, HEAD, OPTIONS")
      .header("access-control-allow-headers", "apiKey, authorization, content-type")
      .send(),
  );

  app.get(API, async (request, reply) => {
    const { api, backend } = served();
    const { watermark } = backend.mirror.verified;
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const { body, gzipped } = await api.page(paramsOf(request), {
      gzip: acceptsGzip(request),
      client: clientOf(request),
      // Everything up to the watermark is in the answer; what NVD changed since may not be.
      timestamp: nvdTime(watermark === null ? Date.now() : Date.parse(watermark)),
      signal: gone.signal,
    });
    reply.type("application/json").header("vary", "accept-encoding").header("cache-control", "no-cache");
    return gzipped ? reply.header("content-encoding", "gzip").send(body) : body;
  });

  app.get<{ Params: { file: string } }>(`${FEEDS}/:file`, async (request, reply) => {
    const { feeds } = served().backend;
    const { file } = request.params;
    const send = (name: string, type: string) =>
      reply.type(type).sendFile(basename(name), feeds.directory, { cacheControl: false });
    if (file === "cache.properties")
      return send(await feeds.cacheProperties(clientOf(request)), "text/plain");
    const [, name, kind] = /^nvdcve-2\.0-(\d{4}|modified|recent)\.(json\.gz|meta)$/.exec(file) ?? [];
    const asked = {
      client: clientOf(request),
      half: kind === "meta" ? ("meta" as const) : ("gz" as const),
      head: request.method === "HEAD",
      range: request.headers.range !== undefined,
    };
    const feed = name === undefined ? undefined : await feeds.getHalf(name, asked);
    if (!feed) return refuse(reply, 404, `There is no feed ${file.slice(0, 60)}.`);
    return asked.half === "meta" ? send(feed.meta, "text/plain") : send(feed.file, "application/gzip");
  });

  app.get("/livez", { config: { open: true } }, async () => ({ status: "ok" }));
  app.get("/readyz", { config: { open: true } }, async () => {
    assertServable(served().backend.mirror, options.maxAgeMs);
    return { status: "ready" };
  });
  return app;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs neither the token nor a verified mirror. */
    open?: boolean;
  }
}

/** @throws Unavailable */
function assertServable(mirror: CveMirror, maxAgeMs: number | undefined): Verified {
  const { verified } = mirror;
  if (!mirror.loaded) throw new Unavailable("The index of the mirror is being read.", 5);
  if (verified.verifiedAt === null) {
    throw new Unavailable("The mirror of CVE was never verified complete: run `uee run cve --wait`.", 60);
  }
  const ageMs = Date.now() - Date.parse(verified.verifiedAt);
  if (maxAgeMs !== undefined && ageMs > maxAgeMs) {
    const detail = `The mirror was last verified ${Math.round(ageMs / 60_000)} min ago, at ${verified.verifiedAt}.`;
    throw new Unavailable(`${detail} That is more than --max-age allows.`, 60);
  }
  return verified;
}

/** As NVD refuses: no body, the reason in a header. */
const refuse = (reply: FastifyReply, status: number, message: string): FastifyReply =>
  reply
    .code(status)
    .header("message", message.replace(/[^\x20-\x7e]/g, "?").slice(0, 300))
    .send();

const pathOf = ({ url }: FastifyRequest): string => url.split("?")[0]!.slice(0, 100);

const paramsOf = ({ url }: FastifyRequest): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");

/** Tells one client from another, as well as can be. */
const clientOf = (request: FastifyRequest): string =>
  `${request.ip} ${request.headers["user-agent"] ?? ""} ${keysOf(request).join(" ")}`;

/** The keys that a client has sent, in all the ways in which clients send one. */
function keysOf(request: FastifyRequest): string[] {
  const { apikey, authorization = "" } = request.headers;
  const [, scheme = "", credentials = ""] = /^(Bearer|Basic) +(\S+)$/i.exec(authorization) ?? [];
  const basic = scheme.toLowerCase() === "basic" ? Buffer.from(credentials, "base64").toString() : "";
  const inQuery = [...paramsOf(request)].filter(([name]) => name.toLowerCase() === "apikey");
  return [
    ...(typeof apikey === "string" ? [apikey] : []),
    ...(scheme.toLowerCase() === "bearer" ? [credentials] : []),
    ...(basic.includes(":") ? [basic.slice(basic.indexOf(":") + 1)] : []),
    ...inQuery.map(([, value]) => value),
  ];
}

const acceptsGzip = ({ headers }: FastifyRequest): boolean =>
  /\bgzip\b(?!\s*;\s*q=0(\.0+)?\b)/.test(String(headers["accept-encoding"] ?? ""));
