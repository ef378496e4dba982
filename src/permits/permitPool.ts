/**
 * The permit pool, one for the whole fleet. A permit is the right to process one batch, held under a lease that ends
 * by Redis TIME unless it is renewed. docs/permits.md has the rules, the bounds and why nothing is over-granted. No
 * client's wall clock is ever read: a holder counts on its monotonic clock, from before its request was sent.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { NamedRequest } from "../core/actor.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { PermitKeys } from "../redis/keys.ts";
import { type GovernOperation, makePoolScripts, type WaitReason } from "./poolScripts.ts";
import { type AuditReport, type PoolView, readAudit, readView } from "./report.ts";
import { makeReturns } from "./returns.ts";
import { makeWakeups } from "./wakeups.ts";

export interface PermitPoolOptions {
  /** A connection that fails fast: a command whose connection breaks is rejected. */
  redis: Redis;
  /** Opens one more connection, for hints to waiters, at the first wait; its owner closes it. Without it: polling. */
  blocking?: () => Redis;
  keys: PermitKeys;
  logger: Logger;
  /** Size of a pool that has none stored (UEE_PERMITS). Default 10. */
  size?: number;
  /** Life of a lease. Default 12,000. The same in every process. */
  leaseMs?: number;
  /** Time for a holder to return a permit after it was asked. Default 12,000. */
  graceMs?: number;
  /** Time after which an inactive waiter loses its place. Default 2,500. */
  waiterMs?: number;
  /** Maximum interval between two attempts of a waiter. Default 1,000. */
  pollMs?: number;
  /** Approximate number of log entries. Default 20,000. */
  logLength?: number;
  /** STRING of µs, set right before a clean shutdown of a managed server. */
  cleanStopKey?: string;
  /** Monotonic ms. Default performance.now(). */
  monotonic?: () => number;
}

export interface PermitRequest {
  /** One per attempt; a repeated request with it returns the same grant. */
  lease: string;
  provider: string;
  /** Maximum wait. Default 0: one attempt, which takes a place in the queue. */
  waitMs?: number;
  /** Name of the waiter across several requests; keeps its place. Use a name once at a time. Default: the lease. */
  waiter?: string;
  /** Shown to operators. */
  owner?: string;
  /** Ends the wait and gives up the place; rejects with its reason. */
  signal?: AbortSignal;
  /** Called with the duration of every acquire, renewal and release of this lease, ms, also after a failure. */
  onControl?: ControlTiming;
}

export type ControlTiming = (ms: number) => void;

export interface LeaseState {
  /** False when the pool shrank and the permit is asked back. */
  readonly mayKeep: boolean;
  /** Time to return it, ms; 0 when it may be kept. */
  readonly graceMs: number;
  /** ms since the epoch by Redis TIME. For display: no process compares it with its own clock. */
  readonly expiresAt: number;
  /** On this process's monotonic clock, ms: until then it must be renewed or work must stop. */
  readonly deadline: number;
}

export interface PermitGrant extends LeaseState {
  readonly waiting: false;
  readonly lease: string;
  readonly provider: string;
  /** As requested. */
  readonly onControl?: ControlTiming;
  /** Strictly increasing: max(last + 1, TIME in µs). */
  readonly fence: number;
}

export interface PermitWait {
  readonly waiting: true;
  /** Waiters of the same provider before this one. */
  readonly ahead: number;
  /** `full`; `turn`: other waiters come first; `restart`: Redis restarted a moment ago. */
  readonly reason: WaitReason;
  /** ms until a permit frees for certain; earlier if a holder finishes earlier. */
  readonly retryAfterMs: number;
}

export interface PoolSize {
  /** Size that an operator set. */
  readonly configured: number;
  /** Permits that may be held: configured minus revoked. At least 1. */
  readonly effective: number;
  readonly effectiveBefore: number;
  readonly allocated: number;
  /** Held permits that holders were or will be asked for. */
  readonly askedBack: number;
  readonly changed: boolean;
}

export interface HeldLease {
  lease: string;
  fence?: number;
  provider?: string;
  onControl?: ControlTiming;
}

export type PermitPool = ReturnType<typeof makePermitPool>;

export function makePermitPool(options: PermitPoolOptions) {
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
  });
  const timed = <T>(told: ControlTiming | undefined, call: () => Promise<T>): Promise<T> => {
    if (!told) return call();
    const from = performance.now();
    return call().finally(() => told(performance.now() - from));
  };
  const wakeups = makeWakeups({ connect: options.blocking, key: keys.wake, logger });
  const release = (held: HeldLease) => timed(held.onControl, () => scripts.release(held));
  const returns = makeReturns(release, logger);
  let closed = false;

  // A Redis that came back without its data learns about earlier grants before new processes use an empty pool. No
  // process has this lease: the request itself carries the information.
  const onReady = (): void => {
    if (!scripts.hasGrants()) return;
    scripts.renew({ lease: `reconnected:${randomUUID()}` }).catch(() => {});
  };
  redis.on("ready", onReady);

  const lookOnce = async (
    request: CompleteRequest,
  ): Promise<PermitGrant | (PermitWait & { hint: number })> => {
    const askedAt = monotonic();
    const instead = returns.take(request.provider);
    returns.flush();
    const reply = await timed(request.onControl, () => scripts.acquire(request, instead)).catch((error) => {
      if (instead) returns.add(instead);
      throw error;
    });
    if (!reply.granted) {
      const { ahead, reason, hint } = reply;
      return { waiting: true, ahead, reason, hint, retryAfterMs: Math.ceil(reply.askAgainUs / 1000) };
    }
    return {
      waiting: false,
      lease: request.lease,
      provider: request.provider,
      ...(request.onControl ? { onControl: request.onControl } : {}),
      fence: reply.fence,
      ...stateOf(reply, askedAt),
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
        // Returned in the background, so that ending a wait does not wait again.
        scripts.release({ ...full, fence: found.waiting ? 0 : found.fence }).catch(() => {});
        throw signal.reason;
      }
      if (!found.waiting) return found;
      const left = until - monotonic();
      const { hint, ...wait } = found;
      if (left <= 0 || closed) return wait;
      // The jitter spreads the waiters of the fleet.
      const sleepMs = Math.min(pollMs, wait.retryAfterMs + 1) * (1 - Math.random() / 4) + Math.random() * 5;
      await wakeups.wait(place, hint, Math.max(1, Math.min(sleepMs, left)), signal);
    }
  };

  const resized = async (
    operation: GovernOperation,
    name: "size" | "count",
    value: number,
    by: NamedRequest,
  ): Promise<PoolSize> => {
    checkNumber(name, value, 1, 4_096);
    await returns.settled();
    const { actor, reason = "" } = by;
    const { nowUs: _nowUs, ...size } = await scripts.govern(operation, value, actor, reason);
    const facts = { event: "permit_pool", operation, value, actor, reason, ...size };
    if (size.changed) logger.info(facts, `permit pool: ${operation} ${value}`);
    return size;
  };

  return {
    leaseMs,
    graceMs,
    monotonic,
    logger,
    /** Sets the size only if none is stored: an operator's resize persists. */
    seed: (size: number): Promise<PoolSize> => resized("seed", "size", size, { actor: "configuration" }),
    acquire,
    /** @throws UeeError PERM_LEASE_LOST: stop working */
    async renew(held: HeldLease): Promise<LeaseState> {
      returns.flush();
      const askedAt = monotonic();
      const reply = await timed(held.onControl, () => scripts.renew(held));
      if (!reply.lost) return stateOf(reply, askedAt);
      const { lease } = held;
      throw new UeeError("PERM_LEASE_LOST", `The lease ${lease} has ended.`, { data: { lease } });
    },
    /**
     * Returns the lease without waiting for the answer; if Redis does not receive it, the lease ends by itself. Sent at
     * the end of this turn of the event loop, or together with an acquire of the same provider before that.
     */
    giveBack: returns.add,
    /** Resolves when all returns so far have been answered. */
    settled: returns.settled,
    /** False when the lease had ended; then no other holder is affected. */
    release: async (held: HeldLease): Promise<boolean> => (await release(held)).given,
    /** 1 to 4096, at any time. Excess permits are returned within one lease and one grace. */
    resize: (size: number, by: NamedRequest): Promise<PoolSize> => resized("resize", "size", size, by),
    /** Removes `count` of the held permits from the pool, down to 1. Without held permits nothing is revoked. */
    revoke: (count: number, by: NamedRequest): Promise<PoolSize> => resized("revoke", "count", count, by),
    /** Brings back what was revoked. */
    restore: (count: number, by: NamedRequest): Promise<PoolSize> => resized("restore", "count", count, by),
    /** One bounded read; writes nothing. */
    async show({ holders = 256 }: { holders?: number } = {}): Promise<PoolView> {
      await returns.settled();
      return readView(await scripts.show(holders));
    },
    /** Recounts everything; with `repair` it corrects differences. */
    async audit({ repair, actor }: { repair: boolean; actor: string }): Promise<AuditReport> {
      await returns.settled();
      return readAudit(await scripts.audit(repair, actor), repair);
    },
    /** Ends waits of this process with `waiting: true`. Await `settled()` before the connection ends. */
    close(): void {
      closed = true;
      returns.flush();
      redis.off("ready", onReady);
      wakeups.close();
      scripts.close();
    },
  };
}

/** `askedAt`: on the monotonic clock, from before the request was sent. */
const stateOf = (
  reply: { lifeUs: number; mayKeep: boolean; graceUs: number; nowUs: number },
  askedAt: number,
): LeaseState => ({
  mayKeep: reply.mayKeep,
  graceMs: reply.graceUs / 1000,
  expiresAt: (reply.nowUs + reply.lifeUs) / 1000,
  deadline: askedAt + reply.lifeUs / 1000,
});

type CompleteRequest = ReturnType<typeof complete>;

function complete(request: PermitRequest) {
  return {
    lease: checkText("lease", request.lease),
    provider: checkProvider(request.provider),
    waiter: checkText("waiter", request.waiter ?? request.lease),
    owner: request.owner ?? "",
    onControl: request.onControl,
  };
}

function checkNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const said = `${name} must be a whole number from ${least} to ${most}, not ${value}.`;
  throw new UeeError("PERM_INVALID", said);
}

/** The pool's keys separate names with bars. */
function checkProvider(name: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/i.test(name)) return name;
  throw new UeeError("PERM_INVALID", `'${name}' is not a provider's name.`);
}

function checkText(name: string, text: string): string {
  if (text.length > 0 && text.length <= 512) return text;
  throw new UeeError("PERM_INVALID", `${name} must have 1 to 512 characters.`);
}
