/**
 * The fleet-wide rolling-window limit of one upstream, kept in Redis.
 *
 * Why no window ever holds more than `max` requests:
 * - A request is sent under a slot; a slot frees one window plus a margin after its request was written to the socket
 *   (`sent`). At most `max` slots exist. The margin absorbs differences in network delay.
 * - Crash between grant and `sent`: the slot is stored as if its request were sent as late as is allowed
 *   (`maxSendDelayMs` after the grant), so no clean-up is needed. `sent` can only make it free earlier.
 * - A process that slept while it held a slot: its age counts from before the request for the slot, on the clock that
 *   runs through SIGSTOP and on the one that runs through suspend, and is checked in the same turn in which undici
 *   writes the request. If it is too old, nothing is written and a new slot is requested. The remaining risk is a
 *   stop longer than the send delay between that check and the write system call a few µs later.
 * - A lost reply or a resent command: taking the same slot id again replaces the slot; it never makes two.
 * - A restarted Redis may have lost its last second of slots. The script compares the server's run id, read in the
 *   same step, with the stored one and with the one that granted this process its last slot (the store itself may be
 *   lost): requests then wait one whole hold counted from the new server's start, unless the stop is known to be
 *   clean. Not covered: requests of processes that died together with Redis, if the store was lost too, or in the
 *   first second after a clean start.
 * - A clock that went back: a slot that frees later than one hold from now is held for one hold from now, which is
 *   later than necessary and never earlier. A clock that is set forward frees slots early (docs/reliability.md).
 *
 * Why no process sends during a wait: `blockedUntil` is checked in the same script as the grant; slots are requested
 * only once the connection is established and are valid for `freshMs`, so that little time passes between the check
 * and the write; and this process's own answers block it at once, before Redis knows.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { type ErrorCode, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { WeightedGate } from "../core/semaphore.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { UpstreamKeys } from "../redis/keys.ts";
import { makeRestartGuard } from "../redis/restartGuard.ts";
import { loadScripts } from "../redis/scripts.ts";
import { abortable } from "./abortable.ts";

const scripts = loadScripts(import.meta.url, [
  "reserve-2",
  "sent-1",
  "backOff-1",
  "recovered-1",
  "waiting-2",
]);

/** Requests per rolling window of the whole fleet. */
export type Rate = { max: number; windowMs: number } | "unlimited";

export interface RateLimitOptions {
  redis: Redis;
  keys: UpstreamKeys;
  logger: Logger;
  rate: Rate;
  /** Multiplies the waits of the upstream and our back-off; never the window. */
  waitScale: number;
  /** Waits up to this length happen here; longer ones are thrown as errors with `retryAfterMs`. */
  inlineWaitMs: number;
  /** Added to the window: the largest difference in network delay between two requests. */
  marginMs: number;
  /** A request is never written later than this after its slot was requested. */
  maxSendDelayMs: number;
  /** Key (STRING, µs) that the managed server sets right before a clean shutdown. */
  cleanStopKey: string;
}

export interface Slot {
  readonly id: string;
  /** The grant's time in µs, by the upstream's clock: later grants have later times. */
  readonly grantedAt: number;
  /** Clocks from before the slot was requested. */
  readonly askedAt: Clocks;
  /** Consecutive overloads at the time of the grant. */
  readonly overloads: number;
}

/** Both clocks of this process: one stops while the machine sleeps, the other can be set. */
export interface Clocks {
  monotonic: number;
  wall: number;
}

/** A slot older than this is requested again when that costs nothing. */
const freshMs = 100;
const firstBackOffMs = 2_000;
const longestBackOffMs = 300_000;

/** Allowed values of a stored reason; other values (of a newer version) read as a throttle. */
const waitCodes = ["PROV_RATE_WAIT", "PROV_THROTTLED", "PROV_FORBIDDEN", "PROV_OVERLOADED"] as const;
export type WaitCode = (typeof waitCodes)[number] & ErrorCode;
const asWaitCode = (text: unknown): WaitCode =>
  waitCodes.find((code) => code === text) ?? ("PROV_THROTTLED" as const);

export const clocks = (): Clocks => ({ monotonic: performance.now(), wall: Date.now() });
export const ageMs = (since: Clocks): number =>
  Math.max(performance.now() - since.monotonic, Date.now() - since.wall);
const toMicros = (ms: number): number => Math.ceil(ms * 1000);

export type RateLimit = ReturnType<typeof makeRateLimit>;

export function makeRateLimit(options: RateLimitOptions) {
  const { redis, keys, rate, waitScale } = options;
  const max = rate === "unlimited" ? 0 : rate.max;
  const windowMs = rate === "unlimited" ? 0 : rate.windowMs;
  const sentHold = toMicros(windowMs + options.marginMs);
  const fullHold = toMicros(windowMs + options.marginMs + options.maxSendDelayMs);
  const processId = randomUUID();
  const restarts = makeRestartGuard(redis, options.cleanStopKey);
  const pending = new Set<Promise<unknown>>();
  let slotCount = 0;
  /** On the monotonic clock, in ms. */
  let blockedHereUntil = 0;
  /** One request of this process asks at a time, so that waiters do not all ask Redis at once. */
  const turn = new WeightedGate(1);

  /** Sent without waiting: if Redis does not receive it, the slot frees later, never earlier. */
  const inBackground = (promise: Promise<unknown>): void => {
    const settled = promise.catch(() => {}).finally(() => pending.delete(settled));
    pending.add(settled);
  };

  const call = async <T>(promise: Promise<T>): Promise<T> => {
    try {
      return await promise;
    } catch (error) {
      throw mapRedisError(error);
    }
  };

  const ask = async (id: string, signal: AbortSignal): Promise<unknown[]> => {
    const run = (told: string) =>
      scripts.reserve.run(redis, [keys.slots, keys.state], [id, max, fullHold, fullHold - sentHold, told]);
    const answer = await abortable(call(restarts.ask(run)), signal);
    const reply = answer.reply as unknown[];
    if (reply[0] === 1 && max > 0) answer.granted(Number(reply[4]), String(reply[3]));
    return reply;
  };

  const giveBackId = (id: string): void => {
    if (max > 0) inBackground(redis.zrem(keys.slots, id));
  };

  const untilGranted = async (id: string, signal: AbortSignal, deadline: number): Promise<Slot> => {
    for (;;) {
      signal.throwIfAborted();
      const askedAt = clocks();
      let reply: unknown[];
      try {
        reply = await ask(id, signal);
      } catch (error) {
        // The command may still be in transit; the next command on the same connection undoes it.
        giveBackId(id);
        throw error;
      }
      if (reply[0] === 1) {
        const [, at, overloads] = reply as [number, number, number];
        return { id, grantedAt: at, askedAt, overloads };
      }
      const waitMs = Math.ceil(Number(reply[1]) / 1000);
      if (performance.now() + waitMs > deadline) throw waitError(asWaitCode(reply[2]), waitMs, rate);
      // The jitter spreads the waiters of the fleet.
      await sleep(waitMs + Math.random() * Math.min(100, 5 + waitMs / 10), undefined, { signal }).catch(
        (error: unknown) => {
          signal.throwIfAborted();
          throw error;
        },
      );
    }
  };

  const take = async (signal: AbortSignal, previous?: Slot): Promise<Slot> => {
    const deadline = performance.now() + options.inlineWaitMs;
    const id = previous?.id ?? `${processId}:${++slotCount}`;
    await turn.enter(1, signal);
    try {
      return await untilGranted(id, signal, deadline);
    } finally {
      turn.leave(1);
    }
  };

  /** This process waits at once; while Redis is unreachable, no other process knows. */
  const blockFleet = async (
    ownMs: number,
    wait: { ms: number; code: WaitCode; overloadedAt: number },
  ): Promise<number> => {
    const us = (ms: number): number => toMicros(ms * waitScale);
    const overload = [wait.overloadedAt, us(firstBackOffMs), us(longestBackOffMs), Math.random()];
    const run = () => scripts.backOff.run(redis, [keys.state], [us(wait.ms), wait.code, ...overload]);
    const blockHere = (waitMs: number): number => {
      blockedHereUntil = Math.max(blockedHereUntil, performance.now() + waitMs);
      return waitMs;
    };
    blockHere(ownMs);
    try {
      return blockHere(Number(await run()) / 1000);
    } catch (error) {
      options.logger.warn({ err: mapRedisError(error) }, "the fleet could not be told to wait");
      return ownMs;
    }
  };

  const look = async (): Promise<{ untilMs: number; waitMs: number; code: WaitCode } | null> => {
    const reply = (await call(scripts.waiting.run(redis, [keys.slots, keys.state], [max, fullHold]))) as
      | [number, string, number]
      | null;
    if (reply === null) return null;
    const [until, code, now] = reply;
    return { untilMs: until / 1000, waitMs: Math.ceil((until - now) / 1000), code: asWaitCode(code) };
  };

  // A Redis that came back without its data learns about earlier grants from the processes that received them, before
  // new processes use empty slots. The request itself carries this information.
  const onReconnect = (): void => {
    if (max === 0 || !restarts.hasGrants) return;
    const id = `${processId}:${++slotCount}`;
    inBackground(ask(id, new AbortController().signal).finally(() => giveBackId(id)));
  };
  redis.on("ready", onReconnect);

  return {
    /** Takes a slot, or throws the wait as an error. `previous` is returned in the same step. */
    take,
    /** May a request be written under this slot right now? `atOnce`: accepts only slots that were just granted. */
    maySend: (slot: Slot, atOnce: boolean): boolean =>
      performance.now() >= blockedHereUntil &&
      ageMs(slot.askedAt) <= (atOnce ? Math.min(freshMs, options.maxSendDelayMs) : options.maxSendDelayMs),
    /** The slot's request is being sent. */
    sent: (slot: Slot): void => {
      if (max > 0) inBackground(scripts.sent.run(redis, [keys.slots], [slot.id, sentHold]));
    },
    /** The slot's request was certainly not sent. */
    giveBack: (slot: Slot): void => giveBackId(slot.id),
    /** The upstream requested a wait (unscaled ms). Returns ms until requests may be sent again. */
    block: (ms: number, code: WaitCode) => blockFleet(ms * waitScale, { ms, code, overloadedAt: 0 }),
    /** The request failed because of overload; the upstream may name a minimum (unscaled ms). Returns as `block`. */
    overloaded: ({ grantedAt }: Slot, ms: number) => {
      const ownMs = Math.max(ms, firstBackOffMs) * waitScale;
      return blockFleet(ownMs, { ms, code: "PROV_OVERLOADED", overloadedAt: grantedAt });
    },
    /** The request succeeded. */
    recovered: ({ overloads, grantedAt }: Slot): void => {
      if (overloads > 0) inBackground(scripts.recovered.run(redis, [keys.state], [grantedAt]));
    },
    /** The wait that `take` would meet right now; null when there is none. Takes nothing. */
    waiting: look,
    /** Throws the wait that `take` would throw right now; takes nothing. */
    refuseLongWait: async (): Promise<void> => {
      const wait = await look();
      if (wait && wait.waitMs > options.inlineWaitMs) throw waitError(wait.code, wait.waitMs, rate);
    },
    /** Resolves when all commands that were sent without waiting have settled. */
    close: async () => {
      redis.off("ready", onReconnect);
      restarts.close();
      while (pending.size > 0) await Promise.allSettled([...pending]);
    },
  };
}

function waitError(code: WaitCode, waitMs: number, rate: Rate): UeeError {
  const detail =
    code === "PROV_RATE_WAIT" && rate !== "unlimited"
      ? `The ${rate.max} requests per ${rate.windowMs / 1000} s are used up; the next is possible in ${waitMs} ms.`
      : `The upstream requires a wait; the next request is possible in ${waitMs} ms.`;
  return new UeeError(code, detail, { retryAfterMs: waitMs });
}
