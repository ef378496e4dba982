/**
 * Holds a permit during work: renews the lease after a third of its life, informs the work when the pool asks for the
 * permit, and aborts it when the lease is lost. Redis may be unreachable for as long as the lease lasts.
 *
 * All deadlines use the monotonic clock, from before each request was sent: they end before the lease in the store
 * does. A process that slept (SIGSTOP) finds its deadline passed.
 */
import { isUeeError, UeeError } from "../core/errors.ts";
import type {
  ControlTiming,
  LeaseState,
  PermitGrant,
  PermitPool,
  PermitRequest,
  PermitWait,
} from "./permitPool.ts";

export const isWaiting = (got: PermitHolder | PermitWait): got is PermitWait => "waiting" in got;

/** Acquires a permit and holds it. */
export async function holdPermit(
  pool: PermitPool,
  request: PermitRequest,
): Promise<PermitHolder | PermitWait> {
  const got = await pool.acquire(request);
  return got.waiting ? got : new PermitHolder(pool, got);
}

export class PermitHolder {
  readonly lease: string;
  readonly provider: string;
  readonly fence: number;
  readonly onControl?: ControlTiming;
  readonly #pool: PermitPool;
  readonly #lost = new AbortController();
  readonly #windDown = new AbortController();
  /** Aborts with PERM_LEASE_LOST when the lease has ended: further work has no permit. */
  readonly signal: AbortSignal = this.#lost.signal;
  /** Aborts with PERM_REVOKED when the pool asks for the permit: finish at the next safe point, within the grace. */
  readonly windDown: AbortSignal = this.#windDown.signal;
  #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #released = false;

  constructor(pool: PermitPool, grant: PermitGrant) {
    this.#pool = pool;
    this.lease = grant.lease;
    this.provider = grant.provider;
    this.fence = grant.fence;
    if (grant.onControl) this.onControl = grant.onControl;
    this.#deadline = grant.deadline;
    this.#take(grant);
  }

  /** On the pool's monotonic clock, ms. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Stops renewals and returns the permit, without waiting for the answer (PermitPool.giveBack). */
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
    this.#deadline = state.deadline;
    if (!state.mayKeep && !this.#windDown.signal.aborted) {
      const { lease, provider } = this;
      const data = { lease, provider, graceMs: state.graceMs };
      this.#windDown.abort(new UeeError("PERM_REVOKED", undefined, { data }));
    }
    if (this.#released || this.#lost.signal.aborted) return;
    this.#schedule(this.#pool.leaseMs / 3);
    clearTimeout(this.#deadlineTimer);
    const why = state.mayKeep ? "it could not be renewed in time" : "it was asked back and not given in time";
    this.#deadlineTimer = setTimeout(
      () => this.#lose(why),
      Math.max(0, this.#deadline - this.#pool.monotonic()),
    );
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tick(), delayMs);
  }

  async #tick(): Promise<void> {
    if (this.#pool.monotonic() >= this.#deadline) {
      this.#lose("this process slept or was too busy to renew it");
      return;
    }
    await this.#renew().catch(() => {
      if (this.#released || this.#lost.signal.aborted) return;
      this.#schedule(Math.min(1_000, this.#pool.leaseMs / 12) * (0.75 + Math.random() / 2));
    });
  }

  /** Throws PERM_LEASE_LOST; any other error (Redis is unreachable) leaves the deadline unchanged. */
  async #renew(): Promise<void> {
    try {
      const state = await this.#pool.renew(this);
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
