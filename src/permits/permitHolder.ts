/**
 * Holds permits while work goes on: renews the lease at a third of its life, tells the work when the pool wants permits
 * back, and ends it when the lease is lost. Redis may be away for as long as the lease lasts.
 *
 * All by the monotonic clock, from before each request was sent: what this process believes ends before the store's lease
 * does. A process that slept (SIGSTOP) finds its deadline past before it starts anything new.
 */
import { isUeeError, UeeError } from "../core/errors.ts";
import type { LeaseState, PermitGrant, PermitPool, PermitRequest, PermitWait } from "./permitPool.ts";

export interface PermitHolder {
  readonly lease: string;
  readonly provider: string;
  readonly fence: number;
  /** Permits held now. */
  readonly permits: number;
  /** Permits that the pool wants it to keep. */
  readonly target: number;
  /** On the pool's monotonic clock, ms. */
  readonly deadline: number;
  /** Aborts with PERM_LEASE_LOST when the lease ended: whatever still goes on has no permit. */
  readonly signal: AbortSignal;
  /** Aborts with PERM_REVOKED when the pool wants all permits back: finish at the next safe point, within the grace. */
  readonly windDown: AbortSignal;
  /** May a new step start now? Not within the margin before the deadline, nor while winding down. */
  mayStart(): boolean;
  /** Goes on with fewer permits. Throws PERM_LEASE_LOST. */
  shrink(keep: number): Promise<void>;
  /** Ends renewals and gives the permits back, without waiting for the answer (PermitPool.giveBack). */
  release(): void;
}

export interface HoldOptions {
  /** How long before the deadline nothing new is started, ms. Default: a twelfth of the lease. */
  marginMs?: number;
}

export const isWaiting = (got: PermitHolder | PermitWait): got is PermitWait => "waiting" in got;

/** Acquires and holds. */
export async function holdPermit(
  pool: PermitPool,
  request: PermitRequest,
  options: HoldOptions = {},
): Promise<PermitHolder | PermitWait> {
  const got = await pool.acquire(request);
  return got.waiting ? got : new Holder(pool, got, options);
}

/** Works under a permit and gives it back. Throws PERM_NONE_FREE, with `retryAfterMs`, where none was free in `waitMs`. */
export async function withPermit<Result>(
  pool: PermitPool,
  request: PermitRequest,
  work: (permit: PermitHolder) => Promise<Result>,
  options: HoldOptions = {},
): Promise<Result> {
  const holder = await holdPermit(pool, request, options);
  if (isWaiting(holder)) {
    throw new UeeError("PERM_NONE_FREE", undefined, {
      retryAfterMs: holder.retryAfterMs,
      data: { provider: request.provider, reason: holder.reason, ahead: holder.ahead },
    });
  }
  try {
    return await work(holder);
  } finally {
    holder.release();
  }
}

class Holder implements PermitHolder {
  readonly lease: string;
  readonly provider: string;
  readonly fence: number;
  readonly #pool: PermitPool;
  readonly #marginMs: number;
  readonly #lost = new AbortController();
  readonly #windDown = new AbortController();
  #permits: number;
  #target: number;
  #deadline: number;
  /** When what is over the target must be given back; Infinity when nothing is. */
  #graceEnds = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #released = false;

  constructor(pool: PermitPool, grant: PermitGrant, options: HoldOptions) {
    this.#pool = pool;
    this.lease = grant.lease;
    this.provider = grant.provider;
    this.fence = grant.fence;
    this.#marginMs = options.marginMs ?? pool.leaseMs / 12;
    this.#permits = grant.granted;
    this.#target = grant.target;
    this.#deadline = grant.deadline;
    this.#take({ ...grant, permits: grant.granted });
  }

  get permits(): number {
    return this.#permits;
  }
  get target(): number {
    return this.#target;
  }
  get deadline(): number {
    return this.#deadline;
  }
  get signal(): AbortSignal {
    return this.#lost.signal;
  }
  get windDown(): AbortSignal {
    return this.#windDown.signal;
  }

  mayStart(): boolean {
    if (this.#released || this.#lost.signal.aborted || this.#windDown.signal.aborted) return false;
    return this.#pool.monotonic() < this.#deadline - this.#marginMs;
  }

  async shrink(keep: number): Promise<void> {
    this.#lost.signal.throwIfAborted();
    await this.#renew(keep);
    this.#lost.signal.throwIfAborted();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#stopTimers();
    this.#pool.giveBack(this);
  }

  #stopTimers(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#deadlineTimer);
  }

  #take(state: LeaseState): void {
    this.#permits = state.permits;
    this.#target = state.target;
    this.#deadline = state.deadline;
    const over = state.target < state.permits;
    // The pool ends the whole lease then: `deadline` cannot be later.
    this.#graceEnds = over ? Math.min(this.#graceEnds, state.deadline) : Number.POSITIVE_INFINITY;
    if (over && state.target === 0 && !this.#windDown.signal.aborted) {
      this.#windDown.abort(
        new UeeError("PERM_REVOKED", undefined, {
          data: { lease: this.lease, provider: this.provider, graceMs: state.graceMs },
        }),
      );
    }
    if (this.#released || this.#lost.signal.aborted) return;
    this.#schedule(this.#pool.leaseMs / 3);
    clearTimeout(this.#deadlineTimer);
    this.#deadlineTimer = setTimeout(
      () => this.#lose(over ? "it was asked back and not given in time" : "it could not be renewed in time"),
      Math.max(0, this.#deadline - this.#pool.monotonic()),
    );
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    // What is over the target is given back before the grace ends, whatever the work does: it was told.
    const partEnds = this.#target > 0 ? this.#graceEnds - this.#marginMs - this.#pool.monotonic() : Infinity;
    this.#timer = setTimeout(() => void this.#tick(), Math.max(0, Math.min(delayMs, partEnds)));
  }

  async #tick(): Promise<void> {
    const now = this.#pool.monotonic();
    if (now >= this.#deadline) {
      this.#lose("this process slept or was too busy to renew it");
      return;
    }
    const mustShrink = this.#target > 0 && now >= this.#graceEnds - this.#marginMs;
    await this.#renew(mustShrink ? this.#target : undefined).catch(() => {
      if (this.#released || this.#lost.signal.aborted) return;
      this.#schedule(Math.min(1_000, this.#pool.leaseMs / 12) * (0.75 + Math.random() / 2));
    });
  }

  /** Throws PERM_LEASE_LOST; anything else (Redis is away) leaves the holder with the deadline that it has. */
  async #renew(keep?: number): Promise<void> {
    try {
      const state = await this.#pool.renew(this, keep);
      if (this.#released) return;
      if (this.#pool.monotonic() >= state.deadline) this.#lose("this process slept while it was renewed");
      else this.#take(state);
    } catch (error) {
      if (!this.#released && isUeeError(error, "PERM_LEASE_LOST")) this.#lose("the pool has ended it", error);
      throw error;
    }
  }

  #lose(why: string, cause?: unknown): void {
    if (this.#released || this.#lost.signal.aborted) return;
    this.#stopTimers();
    const { lease, provider, fence } = this;
    this.#pool.logger.warn(
      { event: "permit_lost", lease, provider, fence },
      `a permit's lease was lost: ${why}`,
    );
    this.#lost.abort(
      new UeeError("PERM_LEASE_LOST", `The permit's lease was lost: ${why}.`, {
        cause,
        data: { lease, provider, fence },
      }),
    );
  }
}
