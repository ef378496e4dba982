/** The upstream client: what providers see of HTTP (core/fetching.ts), under the fleet's limit of one upstream. */
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
export type { UpstreamSettings } from "./fleet.ts";
export type { Guard, GuardedCall, GuardRequest } from "./guard.ts";
export { proxyFor, type UpstreamProxy } from "./proxies.ts";
export type { Rate, WaitCode } from "./rateLimit.ts";

export interface UpstreamTimeouts {
  /** Until the connection (TLS, proxy) stands; of use only where no `dispatcher` is given. */
  connectMs: number;
  /** From the request's sending to the answer's head. */
  headersMs: number;
  /** Between two chunks of the body while we are reading. */
  idleMs: number;
  /** From the request's sending to the body's end, what the reader takes included. */
  totalMs: number;
}

export interface UpstreamOptions {
  /** The upstream's name in Redis: all providers that share its limit share it. */
  name: string;
  settings: UpstreamSettings;
  redis: Redis;
  keys: Keys;
  logger: Logger;
  timeouts?: Partial<UpstreamTimeouts>;
  /** UEE_WAIT_SCALE: multiplies throttle and overload waits, never the window. Default 1. */
  waitScale?: number;
  /** Waits up to this long are waited here; longer ones are thrown with `retryAfterMs`. Default 5,000. */
  inlineWaitMs?: number;
  /** Default 250. */
  marginMs?: number;
  /** Default 2,000. */
  maxSendDelayMs?: number;
  /** STRING of µs, set right before a clean shutdown of a managed server. */
  cleanStopKey?: string;
  /** Asked before every call, and told what came of it. Default: lets everything through. */
  guard?: Guard;
  /** Shared sockets; who gives them closes them. Default: own ones, closed at `close()`. */
  dispatcher?: Dispatcher;
  userAgent?: string;
}

export interface FetcherOptions {
  signal: AbortSignal;
  /** Tells in whose name it is asked. Default: the client's own. */
  logger?: Logger;
  /**
   * Called once for every request, redirect hops too, right before it is sent. What it returns is the fetch's `fetchedAt`;
   * nothing: the time of the request's slot.
   */
  onRequest(): Promise<number | undefined> | number | undefined;
  /** Added to every request, e.g. the API key; a request's own headers win. Credentials stay with their origin. */
  headers?: Record<string, string>;
}

export interface Upstream {
  readonly name: string;
  fetcher(options: FetcherOptions): Fetcher;
  /** Until when (ms since the epoch, by Redis TIME) requests must wait, and why; null when one may go now. */
  waiting(): Promise<{ untilMs: number; code: WaitCode; reason: string } | null>;
  /** Enters this process among the upstream's users. Throws SYS_FLEET_DISAGREES. */
  register(): Promise<void>;
  unregister(): Promise<void>;
  /** Aborts what is under way, withdraws from the fleet and closes own sockets. */
  close(): Promise<void>;
}

export const defaultTimeouts: UpstreamTimeouts = {
  connectMs: 10_000,
  // NVD's own front gives up after about 125 s with a 524.
  headersMs: 130_000,
  idleMs: 60_000,
  totalMs: 900_000,
};

const reasons: Record<WaitCode, string> = {
  PROV_RATE_WAIT: "the requests of this window are used up",
  PROV_THROTTLED: "the upstream told us to wait",
  PROV_FORBIDDEN: "the upstream's firewall refused us",
  PROV_OVERLOADED: "the upstream is overloaded",
};

export function makeUpstream(options: UpstreamOptions): Upstream {
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
  // Any number of requests listen to it at once; each lets go of it when it ends.
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
    // The hops hold credentials: they stay on this side.
    const hops = new WeakMap<FetchedHead, Hop>();
    const given = <Answer extends FetchedHead>(answer: Answer, hop: Hop): Answer => {
      hops.set(answer, hop);
      return answer;
    };
    const open = async (request: FetchRequest): Promise<OpenAnswer> => {
      const foundIn = request.foundIn && hops.get(request.foundIn);
      // Without its hop the address would be asked for as if a person had given it.
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
    waiting: async () => {
      const wait = await limit.waiting();
      return wait && { ...wait, reason: reasons[wait.code] };
    },
    register: () => membership.register(),
    unregister: () => membership.unregister(),
    close: async () => {
      closing.abort(new UeeError("SYS_SHUTDOWN"));
      await limit.close();
      // A Redis that is away forgets us by itself.
      await membership.unregister().catch(() => {});
      if (!options.dispatcher) await dispatcher.destroy();
    },
  };
}
