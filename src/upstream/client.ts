/**
 * The upstream client: the HTTP interface for providers (core/fetching.ts), under the fleet's rate limit of one
 * upstream.
 */
import { setMaxListeners } from "node:events";
import type { Redis } from "ioredis";
import type { Dispatcher } from "undici";
import { UeeError } from "../core/errors.ts";
import type { Fetched, FetchedHead, FetchedStream, Fetcher, FetchRequest } from "../core/fetching.ts";
import type { Logger } from "../core/logger.ts";
import type { Keys } from "../redis/keys.ts";
import { makeDispatcher } from "./dispatcher.ts";
import { makeMembership, type UpstreamSettings } from "./fleet.ts";
import { type Guard, unguarded } from "./guard.ts";
import type { Hop } from "./hops.ts";
import { type OpenAnswer, openAnswer } from "./open.ts";
import { makeRateLimit, type WaitCode } from "./rateLimit.ts";

export { makeDispatcher } from "./dispatcher.ts";
export { proxyFor, type UpstreamProxy } from "./proxies.ts";

export interface UpstreamTimeouts {
  /** Until the connection (TLS, proxy) is established; used only when no `dispatcher` is given. */
  connectMs: number;
  /** From sending the request to receiving the response headers. */
  headersMs: number;
  /** Between two chunks of the body while it is being read. */
  idleMs: number;
  /** From sending the request to the end of the body, including the time of the reader. */
  totalMs: number;
}

export interface UpstreamOptions {
  /** Name of the upstream in Redis: all providers with this name share its limit. */
  name: string;
  settings: UpstreamSettings;
  redis: Redis;
  keys: Keys;
  logger: Logger;
  timeouts?: Partial<UpstreamTimeouts>;
  /** UEE_WAIT_SCALE: multiplies throttle and overload waits, never the window. Default 1. */
  waitScale?: number;
  /** Waits up to this length happen in the client; longer ones are thrown with `retryAfterMs`. Default 5,000. */
  inlineWaitMs?: number;
  /** Default 250. */
  marginMs?: number;
  /** Default 2,000. */
  maxSendDelayMs?: number;
  /** STRING of µs that a managed server sets right before a clean shutdown. */
  cleanStopKey?: string;
  /** Asked before every call and informed of its result. Default: admits every call. */
  guard?: Guard;
  /** Shared sockets, closed by their owner. Default: own sockets, closed at `close()`. */
  dispatcher?: Dispatcher;
  userAgent?: string;
}

export interface FetcherOptions {
  signal: AbortSignal;
  /** The User-Agent. Default: the client's own. */
  logger?: Logger;
  /**
   * Called once for every request, including redirects, right before it is sent. Its return value is the fetch's
   * `fetchedAt`; without one it is the time of the request's slot.
   */
  onRequest(): Promise<number | undefined> | number | undefined;
  /**
   * Added to every request, e.g. the API key; a request's own headers take precedence. Credentials are only sent to
   * their origin.
   */
  headers?: Record<string, string>;
}

export type Upstream = ReturnType<typeof makeUpstream>;

export const defaultTimeouts: UpstreamTimeouts = {
  connectMs: 10_000,
  // The front end of NVD ends a request after about 125 s with a 524.
  headersMs: 130_000,
  idleMs: 60_000,
  totalMs: 900_000,
};

const reasons: Record<WaitCode, string> = {
  PROV_RATE_WAIT: "the rate limit of the current window is used up",
  PROV_THROTTLED: "the upstream told us to wait",
  PROV_FORBIDDEN: "the upstream's firewall refused us",
  PROV_OVERLOADED: "the upstream is overloaded",
};

export function makeUpstream(options: UpstreamOptions) {
  const { name, redis, logger } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const keys = options.keys.upstream(name);
  const dispatcher = options.dispatcher ?? makeDispatcher({ connectMs: timeouts.connectMs });
  const limit = makeRateLimit({
    redis,
    keys,
    logger,
    rate: options.settings.rate,
    waitScale: options.waitScale ?? 1,
    inlineWaitMs: options.inlineWaitMs ?? 5_000,
    marginMs: options.marginMs ?? 250,
    maxSendDelayMs: options.maxSendDelayMs ?? 2_000,
    cleanStopKey: options.cleanStopKey ?? "uee:clean-stop",
  });
  const membership = makeMembership({ name, settings: options.settings, redis, keys, logger });
  const closing = new AbortController();
  // Many requests listen to it at once; each removes its listener when it ends.
  setMaxListeners(0, closing.signal);
  const shared = {
    ...{ name, limit, dispatcher, timeouts, logger },
    userAgent: options.userAgent ?? "uee",
    closing: closing.signal,
    guard: options.guard ?? unguarded,
    ensureMember: () => membership.ensure(),
  };

  const fetcher = ({ signal, onRequest, headers, logger: own = logger }: FetcherOptions): Fetcher => {
    setMaxListeners(0, signal);
    // The hops hold credentials: they do not leave this file.
    const hops = new WeakMap<FetchedHead, Hop>();
    const given = <Answer extends FetchedHead>(answer: Answer, hop: Hop): Answer => {
      hops.set(answer, hop);
      return answer;
    };
    const open = async (request: FetchRequest): Promise<OpenAnswer> => {
      const foundIn = request.foundIn && hops.get(request.foundIn);
      // Without its hop the address would be requested as if an operator had configured it.
      if (request.foundIn && !foundIn) {
        throw new UeeError(
          "SYS_INTERNAL",
          "An address was found in an answer that this fetcher did not give.",
        );
      }
      const sent = foundIn ? request.headers : { ...headers, ...request.headers };
      return openAnswer(
        { ...request, headers: sent },
        { ...shared, logger: own, signal, onRequest, ...(foundIn ? { foundIn } : {}) },
      );
    };
    return {
      stream: async (request): Promise<FetchedStream> => {
        const { hop, ...answer } = await open(request);
        return given(answer, hop);
      },
      fetch: async (request): Promise<Fetched> => {
        const { hop, ...answer } = await open(request);
        const chunks: Buffer[] = [];
        for await (const chunk of answer.body) chunks.push(chunk);
        return given({ ...answer, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) }, hop);
      },
    };
  };

  return {
    name,
    fetcher,
    /** Until when requests must wait (ms since the epoch, by Redis TIME), and why; null when one may be sent now. */
    async waiting(): Promise<{ untilMs: number; code: WaitCode; reason: string } | null> {
      const wait = await limit.waiting();
      return wait && { untilMs: wait.untilMs, code: wait.code, reason: reasons[wait.code] };
    },
    /** Registers this process as a user of the upstream. @throws UeeError SYS_FLEET_DISAGREES */
    register: () => membership.register(),
    unregister: () => membership.unregister(),
    /** Aborts requests in progress, removes the registration and closes own sockets. */
    async close(): Promise<void> {
      closing.abort(new UeeError("SYS_SHUTDOWN"));
      await limit.close();
      // A registration that cannot be removed expires by itself.
      await membership.unregister().catch(() => {});
      if (!options.dispatcher) await dispatcher.destroy();
    },
  };
}
