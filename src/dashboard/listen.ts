/**
 * The HTTP side as a service. It listens before Redis is reachable, so that probes and clients get an answer, and
 * returns 503 until then. Without a token it serves this machine only.
 */
import type { AddressInfo } from "node:net";
import { isLoopbackHost } from "../core/access.ts";
import { UeeError } from "../core/errors.ts";
import type { App, Backend, DashboardOptions } from "./app.ts";
import { buildDashboard } from "./server.ts";

export interface ListenOptions extends Omit<DashboardOptions, "backend"> {
  /** Default: 127.0.0.1, with a token 0.0.0.0. */
  host?: string;
  /** 0: any free port. */
  port: number;
}

export interface RunningDashboard {
  /** The address for users and scripts on this machine. */
  readonly url: string;
  /** Redis was reached; undefined: it is looked for again. */
  attach(backend: Backend | undefined): void;
  /** Not ready at once; answers in progress are completed and streams are told to reconnect; bounded. */
  close(): Promise<void>;
}

/** Time for answers in progress, ms. */
const CLOSE_MS = 5_000;

/** @throws UeeError API_TOKEN_REQUIRED, API_CANNOT_LISTEN */
export async function listenDashboard({ host, port, ...options }: ListenOptions): Promise<RunningDashboard> {
  const { token, logger } = options;
  const address = host ?? (token === undefined ? "127.0.0.1" : "0.0.0.0");
  if (token === undefined && !isLoopbackHost(address)) {
    throw new UeeError(
      "API_TOKEN_REQUIRED",
      `Without UEE_API_TOKEN the dashboard does not listen on ${address}.`,
    );
  }
  let current: Backend | undefined;
  let closing: Promise<void> | undefined;
  const app = await buildDashboard({
    ...options,
    backend: () => {
      if (current !== undefined) return current;
      throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis has not been reached yet.", { retryAfterMs: 1_000 });
    },
  });
  await listen(app, address, port);
  const url = urlOf(app.server.address() as AddressInfo);
  logger.info({ event: "listening", url, host: address }, `dashboard at ${url}`);
  if (token === undefined) {
    logger.warn(
      { event: "open_dashboard" },
      "UEE_API_TOKEN is not set: every user of this machine has full access; other machines have none",
    );
  }
  return {
    url,
    attach: (backend) => {
      current = backend;
    },
    close: () => {
      closing ??= closeApp(app);
      return closing;
    },
  };
}

async function closeApp(app: App): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await app.close();
  clearTimeout(timer);
}

async function listen(app: App, host: string, port: number): Promise<void> {
  // Fastify logs its addresses one by one; our own line is the relevant one.
  const { level } = app.log;
  app.log.level = "warn";
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    const why = { EADDRINUSE: "the port is in use", EACCES: "this user may not use the port" }[code] ?? code;
    throw new UeeError("API_CANNOT_LISTEN", `The dashboard cannot listen on ${host}, port ${port}: ${why}.`, {
      cause: error,
      data: { reason: code },
    });
  } finally {
    app.log.level = level;
  }
}

const urlOf = ({ address, family, port }: AddressInfo): string => {
  const everywhere = address === "0.0.0.0" || address === "::";
  const name = everywhere ? "127.0.0.1" : family === "IPv6" ? `[${address}]` : address;
  return `http://${name}:${port}`;
};
