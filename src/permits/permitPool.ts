/**
 * The permit pool: one for the whole fleet. A permit is the right to work on one batch; it is held under a lease that ends
 * by Redis TIME unless it is renewed. docs/permits.md has the rules and the bounds.
 *
 * Why it is never over-granted: every grant is one script that counts what is held; a lease counts until it was given back
 * or has ended by Redis TIME, and its holder's own deadline is earlier: the same span, counted on the monotonic clock from
 * before the request was sent. No client's wall clock is ever read. A Redis that restarted waits one lease (restart.lua).
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { PermitKeys } from "../redis/keys.ts";
import { type GovernOperation, makePoolScripts, type WaitReason } from "./poolScripts.ts";
import { type AuditReport, type PoolView, readAudit, readView } from "./report.ts";
import { makeReturns } from "./returns.ts";
import { checkNumber, checkProvider, checkText } from "./validate.ts";
import { makeWakeups } from "./wakeups.ts";

export interface PermitPoolOptions {
  /** A connection that fails fast: a command whose connection breaks is rejected. */
  redis: Redis;
  /** Gives one more connection, for hints to waiters, when somebody waits first; its owner closes it. Without: polling. */
  blocking?: () => Redis;
  keys: PermitKeys;
  logger: Logger;
  /** Size of a pool that has none stored (UEE_PERMITS). Default 10. */
  size?: number;
  /** A lease's life. Default 12,000. The same in every process. */
  leaseMs?: number;
  /** What a holder that was asked for permits has, from being told, to give them back. Default 12,000. */
  graceMs?: number;
  /** For how long a waiter that does not come again keeps its place. Default 2,500. */
  waiterMs?: number;
  /** Longest time between two looks of a waiter. Default 1,000. */
  pollMs?: number;
  /** Entries that the log keeps, about. Default 20,000. */
  logLength?: number;
  /** STRING of µs, set right before a clean shutdown of a managed server. */
  cleanStopKey?: string;
  /** Told of every acquire, renewal and release how long Redis took for it, ms, also where it failed. */
  onControl?: (ms: number) => void;
  /** ms that only grow. Default performance.now(). */
  monotonic?: () => number;
}

export interface PermitRequest {
  /** One for every attempt; asking again under it gives the same grant. */
  lease: string;
  provider: string;
  /** Default 1. */
  want?: number;
  /** Grants between `min` and `want` are taken. One that insists on more than 1 waits until as many are free at once. Default 1. */
  min?: number;
  /** How long to wait for the turn. Default 0: one look, which takes a place all the same. */
  waitMs?: number;
  /** Who waits, over several requests; keeps the place. Never two at a time under one name. Default: the lease. */
  waiter?: string;
  /** Shown to people. */
  owner?: string;
  /** Ends the wait and gives up the place; rejects with its reason. */
  signal?: AbortSignal;
}

export interface PermitGrant {
  readonly granted: number;
  readonly waiting: false;
  readonly lease: string;
  readonly provider: string;
  /** Only ever grows: max(last + 1, TIME in µs). */
  readonly fence: number;
  /** ms since the epoch by Redis TIME. For people: no process compares it with its own clock. */
  readonly expiresAt: number;
  /** On this process's monotonic clock, ms: by then it is renewed or work has stopped. */
  readonly deadline: number;
  /** Permits that the pool wants it to keep; less than `granted` when the pool shrank. */
  readonly target: number;
  /** ms in which to give back what is over `target`; 0 when nothing is. */
  readonly graceMs: number;
}

export interface PermitWait {
  readonly granted: 0;
  readonly waiting: true;
  /** Waiters of the same provider before this one. */
  readonly ahead: number;
  /** `full`; `capped`: the provider's cap; `turn`: others go first; `restart`: Redis restarted a moment ago. */
  readonly reason: WaitReason;
  /** ms until something frees for certain; earlier where a holder is done earlier. */
  readonly retryAfterMs: number;
}

export interface LeaseState {
  readonly permits: number;
  readonly target: number;
  readonly graceMs: number;
  readonly expiresAt: number;
  readonly deadline: number;
}

export interface Decision {
  actor: string;
  reason: string;
}

export interface PoolSize {
  /** What a person set. */
  readonly configured: number;
  /** What may be held: configured less what is revoked. At least 1. */
  readonly effective: number;
  readonly effectiveBefore: number;
  readonly allocated: number;
  /** Of those held, permits that holders were or will be asked for. */
  readonly askedBack: number;
  readonly changed: boolean;
}

export interface PermitPool {
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly monotonic: () => number;
  readonly logger: Logger;
  /** Sets the size only where none is stored: a person's resize persists. */
  seed(size: number): Promise<PoolSize>;
  acquire(request: PermitRequest): Promise<PermitGrant | PermitWait>;
  /** `keep`: how many permits the holder goes on with; the others are given back. Throws PERM_LEASE_LOST: stop. */
  renew(lease: { lease: string; fence?: number }, keep?: number): Promise<LeaseState>;
  /** Permits given back: 0 when the lease had ended; then nothing is taken from anybody. */
  release(lease: { lease: string; fence?: number; provider?: string }): Promise<number>;
  /**
   * Gives back without waiting for the answer; where Redis does not take it, the lease ends by itself. Sent at the end of
   * this turn of the event loop, or with an acquire of the same provider before that: one step for both.
   */
  giveBack(lease: { lease: string; fence: number; provider: string }): void;
  /** Resolves when everything that was given back so far is answered. */
  settled(): Promise<void>;
  /** Gives up a waiter's place. */
  leave(provider: string, waiter: string): Promise<boolean>;
  /** 1 to 4096, at any time. What is over it decays within one lease and one grace. */
  resize(size: number, by: Decision): Promise<PoolSize>;
  /** Takes `count` of the permits that are held out of the pool, down to 1. Nothing held: nothing revoked. */
  revoke(count: number, by: Decision): Promise<PoolSize>;
  /** Brings back what was revoked. */
  restore(count: number, by: Decision): Promise<PoolSize>;
  /** 0 to 4096; null: none. */
  setCap(provider: string, cap: number | null, by?: Decision): Promise<PoolSize>;
  /** 1 to 1000. Default of a provider: 1. */
  setWeight(provider: string, weight: number, by?: Decision): Promise<PoolSize>;
  /** One bounded look; writes nothing. */
  show(options?: { holders?: number }): Promise<PoolView>;
  /** Counts everything anew; with `repair` mends what disagrees. */
  audit(options: { repair: boolean; actor: string }): Promise<AuditReport>;
  /** Ends waits of this process with `waiting: true`. Await `settled()` before the connection ends. */
  close(): void;
}

const library: Decision = { actor: "library", reason: "" };

export function makePermitPool(options: PermitPoolOptions): PermitPool {
  const { redis, keys, logger } = options;
  const { leaseMs = 12_000, graceMs = 12_000, waiterMs = 2_500, pollMs = 1_000 } = options;
  const monotonic = options.monotonic ?? (() => performance.now());
  const scripts = makePoolScripts({
    redis,
    keys,
    leaseMs,
    graceMs,
    waiterMs,
    logLength: options.logLength ?? 20_000,
    size: checkNumber("size", options.size ?? 10, 1, 4_096),
    cleanStopKey: options.cleanStopKey ?? "uee:clean-stop",
    ...(options.onControl ? { onControl: options.onControl } : {}),
  });
  const wakeups = makeWakeups({ connect: options.blocking, key: keys.wake, logger });
  const returns = makeReturns((old) => scripts.release(old.lease, old.fence, old.provider), logger);
  let closed = false;

  // A Redis that came back without its data learns of its former life before newcomers make use of an empty pool. The
  // lease is nobody's: asking is telling.
  const onReady = (): void => {
    scripts.renew(`reconnected:${randomUUID()}`, 0, -1).catch(() => {});
  };
  redis.on("ready", onReady);

  const lookOnce = async (
    request: CompleteRequest,
  ): Promise<PermitGrant | (PermitWait & { hint: number })> => {
    const askedAt = monotonic();
    const instead = returns.take(request.provider);
    returns.flush();
    const reply = await scripts.acquire(request, instead).catch((error: unknown) => {
      if (instead) returns.add(instead);
      throw error;
    });
    if (!("fence" in reply)) {
      const { ahead, reason, hint } = reply;
      return {
        granted: 0,
        waiting: true,
        ahead,
        reason,
        hint,
        retryAfterMs: Math.ceil(reply.askAgainUs / 1000),
      };
    }
    return {
      granted: reply.granted,
      waiting: false,
      lease: request.lease,
      provider: request.provider,
      fence: reply.fence,
      expiresAt: (reply.nowUs + reply.lifeUs) / 1000,
      deadline: askedAt + reply.lifeUs / 1000,
      target: reply.keep,
      graceMs: reply.graceUs / 1000,
    };
  };

  const acquire = async (request: PermitRequest): Promise<PermitGrant | PermitWait> => {
    const full = complete(request);
    const { signal, waitMs = 0 } = request;
    const place = `${full.provider}|${full.waiter}`;
    const until = monotonic() + waitMs;
    signal?.throwIfAborted();
    for (;;) {
      const found = await lookOnce(full);
      if (signal?.aborted) {
        // Given back in the background: who ends a wait does not wait again.
        const giveUp = found.waiting
          ? scripts.leave(full.provider, full.waiter)
          : scripts.release(full.lease, found.fence, full.provider);
        giveUp.catch(() => {});
        throw signal.reason;
      }
      if (!found.waiting) return found;
      const left = until - monotonic();
      const { hint, ...wait } = found;
      if (left <= 0 || closed) return wait;
      // The jitter keeps the fleet's waiters from asking all at the same instant.
      const sleepMs = Math.min(pollMs, wait.retryAfterMs + 1) * (1 - Math.random() / 4) + Math.random() * 5;
      await wakeups.wait(place, hint, Math.max(1, Math.min(sleepMs, left)), signal);
    }
  };

  const govern = async (
    operation: GovernOperation,
    value: number | null,
    by: Decision,
    provider = "",
  ): Promise<PoolSize> => {
    await returns.settled();
    const { nowUs: _nowUs, ...size } = await scripts.govern(operation, value, provider, by.actor, by.reason);
    const facts = {
      event: "permit_pool",
      operation,
      value,
      provider,
      actor: by.actor,
      reason: by.reason,
      ...size,
    };
    if (size.changed)
      logger.info(facts, `permit pool: ${operation} ${value ?? "none"} ${provider}`.trimEnd());
    return size;
  };

  return {
    leaseMs,
    graceMs,
    monotonic,
    logger,
    seed: async (size) =>
      govern("seed", checkNumber("size", size, 1, 4_096), { actor: "configuration", reason: "" }),
    acquire,
    async renew({ lease, fence = 0 }, keep = -1) {
      if (keep !== -1) checkNumber("keep", keep, 0, 4_096);
      returns.flush();
      const askedAt = monotonic();
      const reply = await scripts.renew(lease, fence, keep);
      if (reply.lost) {
        throw new UeeError("PERM_LEASE_LOST", `The lease ${lease} has ended.`, { data: { lease } });
      }
      return {
        permits: reply.permits,
        target: reply.keep,
        graceMs: reply.graceUs / 1000,
        expiresAt: (reply.nowUs + reply.lifeUs) / 1000,
        deadline: askedAt + reply.lifeUs / 1000,
      };
    },
    giveBack: returns.add,
    settled: returns.settled,
    release: async ({ lease, fence = 0, provider }) => (await scripts.release(lease, fence, provider)).given,
    leave: async (provider, waiter) => (await scripts.leave(checkProvider(provider), waiter)).left,
    resize: async (size, by) => govern("resize", checkNumber("size", size, 1, 4_096), by),
    revoke: async (count, by) => govern("revoke", checkNumber("count", count, 1, 4_096), by),
    restore: async (count, by) => govern("restore", checkNumber("count", count, 1, 4_096), by),
    setCap: async (provider, cap, by = library) =>
      govern("cap", cap === null ? null : checkNumber("cap", cap, 0, 4_096), by, checkProvider(provider)),
    setWeight: async (provider, weight, by = library) =>
      govern("weight", checkNumber("weight", weight, 1, 1_000), by, checkProvider(provider)),
    async show({ holders = 256 } = {}) {
      await returns.settled();
      return readView(await scripts.show(holders));
    },
    async audit({ repair, actor }) {
      await returns.settled();
      return readAudit(await scripts.audit(repair, actor), repair);
    },
    close() {
      closed = true;
      returns.flush();
      redis.off("ready", onReady);
      wakeups.close();
      scripts.close();
    },
  };
}

type CompleteRequest = ReturnType<typeof complete>;

function complete(request: PermitRequest) {
  const want = checkNumber("want", request.want ?? 1, 1, 4_096);
  return {
    lease: checkText("lease", request.lease),
    provider: checkProvider(request.provider),
    want,
    min: checkNumber("min", request.min ?? 1, 1, want),
    waiter: checkText("waiter", request.waiter ?? request.lease),
    owner: request.owner ?? "",
  };
}
