/**
 * The health port of one process, for the probes of a platform: GET /livez (the process alone) and GET /readyz (it takes
 * batches). Without token: what it tells is its state and one sentence on what is wrong. A process whose event loop is hung
 * does not answer at all, which probes count as a failure.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UeeError } from "../core/errors.ts";
import type { WorkerReport } from "./handle.ts";

/** Who asks has so long to say what, and connections may idle so long, ms. */
const REQUEST_MS = 5_000;
const MOST_CONNECTIONS = 64;

export interface HealthSubject extends WorkerReport {
  /** Id of the worker; null while there is none. */
  worker: string | null;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface HealthServerOptions {
  /** 0: any that is free. */
  port: number;
  /** Default: every address, since probes come from outside of the pod. */
  host?: string;
  report: () => HealthSubject;
}

/** @throws UeeError API_CANNOT_LISTEN */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS },
    (request, response) => answer(request, response, options.report()),
  );
  server.maxConnections = MOST_CONNECTIONS;
  try {
    server.listen({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }) });
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      { EADDRINUSE: "it is in use", EACCES: "this user may not use it" }[code ?? ""] ?? String(code);
    throw new UeeError("API_CANNOT_LISTEN", `The health port ${options.port} cannot be opened: ${why}.`, {
      cause: error,
    });
  }
  // A probe that breaks off is no error of this server.
  server.on("clientError", (_error, socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, subject: HealthSubject): void {
  const { worker, state, live, ready, reasons } = subject;
  const path = request.url?.split("?")[0];
  const say = (status: number, body: unknown): void => {
    const text = `${JSON.stringify(body)}\n`;
    response.writeHead(status, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
    });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  const refuse = (status: number, code: "API_BAD_INPUT" | "API_NOT_FOUND", detail: string): void => {
    const error = new UeeError(code, detail);
    say(status, { code, message: error.detail, remedy: error.remedy });
  };
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    refuse(405, "API_BAD_INPUT", "The health port answers GET and HEAD alone.");
  } else if (path === "/livez") {
    say(live ? 200 : 503, { live, worker, state, reasons: live ? [] : reasons });
  } else if (path === "/readyz") {
    say(ready ? 200 : 503, { ready, worker, state, reasons });
  } else {
    refuse(404, "API_NOT_FOUND", "The health port has /livez and /readyz.");
  }
}
