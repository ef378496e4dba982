/**
 * The HTTP side: finds the upstream of an address, keeps the log, applies due changes, asks the injector, and sends
 * the upstream's answer or the fault's. A second listener on another port stands for "another host".
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { toUeeError } from "../core/errors.ts";
import type { Schedule } from "./clock.ts";
import type { Drawn, Injector } from "./faults/injector.ts";
import { faultReply, forbidden } from "./faults/respond.ts";
import { deliver, drained } from "./http/deliver.ts";
import { jsonReply, type Reply, reply } from "./http/reply.ts";
import type { LogEntry, StandIn } from "./types.ts";
import type { SimulatedUpstream } from "./upstream.ts";
import type { RateWatch, RequestLog } from "./watch.ts";

const MOVED = "/_moved";

export interface ServerParts {
  upstreams: Record<StandIn, SimulatedUpstream>;
  injector: Injector;
  log: RequestLog;
  rate: RateWatch;
  schedule: Schedule;
  control: (request: IncomingMessage, url: URL) => Promise<Reply | AsyncIterable<string>>;
  latencyMs: number;
  gzip: boolean;
}

export class SimulatorServer {
  readonly #parts: ServerParts;
  readonly #here: Server;
  readonly #elsewhere: Server;
  readonly #sockets = new Set<Socket>();
  url = "";
  elsewhereUrl = "";

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#here = this.#make(false);
    this.#elsewhere = this.#make(true);
  }

  #make(elsewhere: boolean): Server {
    const server = createServer({ keepAlive: true, noDelay: true }, (request, response) => {
      this.#handle(request, response, elsewhere).catch((error: unknown) => {
        // An error of the simulator itself must not look like a requested fault.
        const { message } = toUeeError(error);
        process.stderr.write(`simulator: ${request.method} ${request.url}: ${message}\n`);
        if (!response.headersSent) response.writeHead(599, { "content-type": "text/plain" });
        response.end(message);
      });
    });
    server.keepAliveTimeout = 600_000;
    server.headersTimeout = 0;
    server.requestTimeout = 0;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    return server;
  }

  async listen(port: number, host: string): Promise<void> {
    this.url = await listen(this.#here, port, host);
    this.elsewhereUrl = await listen(this.#elsewhere, 0, host);
  }

  async close(): Promise<void> {
    const closed = [this.#here, this.#elsewhere].map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #handle(request: IncomingMessage, response: ServerResponse, elsewhere: boolean): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    if (!elsewhere && url.pathname.startsWith("/_sim/")) return this.#control(request, response, url);
    const moved = url.pathname.startsWith(`${MOVED}/`);
    const path = moved ? url.pathname.slice(MOVED.length) : url.pathname;
    const { log, schedule, injector } = this.#parts;
    const upstream = upstreamOf(path);
    const entry = log.open({
      upstream,
      elsewhere,
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.search.slice(1),
      apiKey: request.headers.apikey !== undefined,
    });
    response.once("close", () => {
      entry.durationMs = performance.now() - entry.monotonicMs;
    });
    request.resume();
    if (upstream === null) return this.#send(request, response, entry, notFound());
    schedule.arrived(upstream);
    const limited = this.#limits(request, upstream, entry);
    const drawn = injector.draw(upstream, path);
    if (this.#parts.latencyMs > 0) await new Promise((r) => setTimeout(r, this.#parts.latencyMs));
    if (limited) return this.#send(request, response, entry, limited);
    const instead = this.#instead(drawn, { moved, elsewhere }, `${path}${url.search}`);
    if (instead) entry.fault = drawn.applied.join("+");
    if (instead === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    // Silence ends when the client gives up, or the simulator closes.
    if (instead === "silence") return;
    if (instead) return this.#send(request, response, entry, instead, drawn);
    const answer =
      request.method === "GET" || request.method === "HEAD"
        ? await this.#parts.upstreams[upstream].reply(
            { path, params: url.searchParams, headers: request.headers, origin: this.url },
            drawn,
          )
        : reply(405, { allow: "GET, HEAD" });
    const whole = request.method === "GET" && answer?.status === 200;
    const deliver = whole ? takeDelivery(drawn) : undefined;
    entry.fault = drawn.applied.length > 0 ? drawn.applied.join("+") : null;
    await this.#send(request, response, entry, answer ?? notFound(), drawn, deliver);
  }

  #limits(request: IncomingMessage, upstream: StandIn, entry: LogEntry): Reply | undefined {
    const { rate } = this.#parts;
    entry.whileToldToWait = rate.tooEarly(upstream, entry.monotonicMs);
    if (upstream !== "cve") return undefined;
    const key = request.headers.apikey;
    entry.overLimit = rate.arrived(key === undefined ? undefined : String(key), entry.monotonicMs);
    if (!entry.overLimit || !rate.enforces) return undefined;
    return forbidden();
  }

  /** The answer of a `respond` fault, if one was drawn. The target of a redirect does not redirect again. */
  #instead(
    drawn: Drawn,
    { moved, elsewhere }: { moved: boolean; elsewhere: boolean },
    self: string,
  ): ReturnType<typeof faultReply> | undefined {
    const name = drawn.first("respond", (one) => (moved || elsewhere) && one.startsWith("redirect"));
    if (!name) return undefined;
    const arg = drawn.take(name);
    if (arg === undefined) return undefined;
    const target = moved ? `${MOVED}${self}` : self;
    return faultReply(name, arg, { self: target, elsewhere: `${this.elsewhereUrl}${target}` });
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    entry: LogEntry,
    answer: Reply,
    drawn?: Drawn,
    delivery: { fault?: string; arg: string } = { arg: "" },
  ): Promise<void> {
    if (response.destroyed) return;
    entry.status = answer.status;
    const wait = Number(answer.headers["retry-after"] ?? 0);
    const now = performance.now();
    entry.answeredMs = now - entry.monotonicMs;
    entry.retryAfter = Math.max(0, wait);
    if (entry.upstream && wait > 0) this.#parts.rate.told(entry.upstream, wait, now);
    if (drawn && drawn.applied.length > 0) entry.fault = drawn.applied.join("+");
    await deliver(request, response, answer, {
      ...delivery,
      gzip: this.#parts.gzip,
      sent: (bytes) => {
        entry.bytes += bytes;
      },
    });
  }

  async #control(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    let answer: Reply | AsyncIterable<string>;
    try {
      answer = await this.#parts.control(request, url);
    } catch (error) {
      const { code, detail } = toUeeError(error);
      answer = jsonReply({ error: { code, message: detail } }, 400);
    }
    if (!("status" in answer)) {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      for await (const line of answer) {
        if (response.destroyed) return;
        if (!response.write(`${line}\n`)) await drained(response);
      }
      response.end();
      return;
    }
    await deliver(request, response, answer, { arg: "", gzip: false, sent: () => {} });
  }
}

const notFound = (): Reply => reply(404, { "content-type": "text/plain" }, "Not Found\n");

function takeDelivery(drawn: Drawn): { fault: string; arg: string } | undefined {
  const name = drawn.first("deliver");
  if (!name) return undefined;
  const arg = drawn.take(name);
  return arg === undefined ? undefined : { fault: name, arg };
}

const prefixes: readonly [prefix: string, upstream: StandIn][] = [
  ["/rest/json/", "cve"],
  ["/feeds/json/", "feeds"],
  ["/cwe.json", "cwe"],
  ["/data/xml/cwec", "cwe"],
  ["/data/xml/capec", "capec"],
  ["/attack/", "attack"],
  ["/sites/default/files/feeds/", "kev"],
  ["/epss_scores-", "epss"],
];

const upstreamOf = (path: string): StandIn | null =>
  prefixes.find(([prefix]) => path.startsWith(prefix))?.[1] ?? null;

async function listen(server: Server, port: number, host: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}
