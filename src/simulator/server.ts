/**
 * The HTTP side: finds the upstream of an address, keeps the log, applies due changes, asks the injector, and sends
 * the upstream's answer or the fault's. A second listener on another port stands for "another host".
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { toUeeError } from "../core/errors.ts";
import type { Schedule } from "./clock.ts";
import type { Injector } from "./faults/injector.ts";
import { faultReply, forbidden } from "./faults/respond.ts";
import { type Delivery, deliver, drained } from "./http/deliver.ts";
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
    const { log, rate, schedule, injector, upstreams, latencyMs } = this.#parts;
    const url = new URL(request.url ?? "/", this.url);
    if (!elsewhere && url.pathname.startsWith("/_sim/")) return this.#control(request, response, url);
    const moved = url.pathname.startsWith(`${MOVED}/`);
    const path = moved ? url.pathname.slice(MOVED.length) : url.pathname;
    const upstream = upstreamOf(path);
    const key = request.headers.apikey;
    const entry = log.open({
      upstream,
      elsewhere,
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.search.slice(1),
      apiKey: key !== undefined,
    });
    response.once("close", () => {
      entry.durationMs = performance.now() - entry.monotonicMs;
    });
    request.resume();
    if (upstream === null) return this.#send(request, response, entry, notFound());
    schedule.arrived(upstream);
    entry.whileToldToWait = rate.tooEarly(upstream, entry.monotonicMs);
    entry.overLimit =
      upstream === "cve" && rate.arrived(key === undefined ? undefined : String(key), entry.monotonicMs);
    const drawn = injector.draw(upstream, path);
    if (latencyMs > 0) await pause(latencyMs);
    if (entry.overLimit && rate.enforces) return this.#send(request, response, entry, forbidden());
    // The target of a redirect does not redirect again.
    const [respond, arg] = drawn.takeFirst(
      "respond",
      (one) => (moved || elsewhere) && one.startsWith("redirect"),
    );
    if (respond) {
      const self = `${moved ? MOVED : ""}${path}${url.search}`;
      const instead = faultReply(respond, arg, { self, elsewhere: `${this.elsewhereUrl}${self}` });
      entry.fault = drawn.applied.join("+");
      if (instead === "reset") request.socket.resetAndDestroy();
      // Silence ends when the client gives up, or the simulator closes.
      else if (instead !== "silence") await this.#send(request, response, entry, instead);
      return;
    }
    const isRead = request.method === "GET" || request.method === "HEAD";
    const params = { path, params: url.searchParams, headers: request.headers, origin: this.url };
    const answer = isRead
      ? ((await upstreams[upstream].reply(params, drawn)) ?? notFound())
      : reply(405, { allow: "GET, HEAD" });
    const whole = request.method === "GET" && answer.status === 200;
    const [fault, faultArg] = whole ? drawn.takeFirst("deliver") : [];
    if (drawn.applied.length > 0) entry.fault = drawn.applied.join("+");
    await this.#send(request, response, entry, answer, { fault, arg: faultArg ?? "" });
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    entry: LogEntry,
    answer: Reply,
    delivery: Pick<Delivery, "fault" | "arg"> = { arg: "" },
  ): Promise<void> {
    if (response.destroyed) return;
    const now = performance.now();
    entry.status = answer.status;
    entry.answeredMs = now - entry.monotonicMs;
    entry.retryAfter = Math.max(0, Number(answer.headers["retry-after"] ?? 0));
    if (entry.upstream) this.#parts.rate.told(entry.upstream, entry.retryAfter, now);
    const sent = (bytes: number): void => {
      entry.bytes += bytes;
    };
    await deliver(request, response, answer, { ...delivery, gzip: this.#parts.gzip, sent });
  }

  async #control(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    let answer: Reply | AsyncIterable<string>;
    try {
      answer = await this.#parts.control(request, url);
    } catch (error) {
      const { code, detail } = toUeeError(error);
      answer = jsonReply({ error: { code, message: detail } }, 400);
    }
    if ("status" in answer)
      return deliver(request, response, answer, { arg: "", gzip: false, sent: () => {} });
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    for await (const line of answer) {
      if (response.destroyed) return;
      if (!response.write(`${line}\n`)) await drained(response);
    }
    response.end();
  }
}

const notFound = (): Reply => reply(404, { "content-type": "text/plain" }, "Not Found\n");

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
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}
