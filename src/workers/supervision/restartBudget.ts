/** How soon a worker that died is started again, and when it is given up. Pure but for the clock that is handed in. */

export interface RestartPolicy {
  /** Wait before the first restart, ms; doubled for each further one within the window. */
  firstMs: number;
  longestMs: number;
  /** Restarts within the window; one more death is a crash loop. */
  restarts: number;
  windowMs: number;
}

export const restartPolicy: RestartPolicy = {
  firstMs: 500,
  longestMs: 30_000,
  restarts: 5,
  windowMs: 60_000,
};

export class RestartBudget {
  readonly #policy: RestartPolicy;
  readonly #now: () => number;
  /** When it was started again, ms. */
  #restarts: number[] = [];

  constructor(policy: RestartPolicy, now: () => number = () => performance.now()) {
    this.#policy = policy;
    this.#now = now;
  }

  /** After a death: the wait before the next start, ms; undefined when the restarts of this window are used up. */
  afterDeath(): number | undefined {
    const { firstMs, longestMs, restarts, windowMs } = this.#policy;
    const now = this.#now();
    this.#restarts = this.#restarts.filter((at) => now - at < windowMs);
    const made = this.#restarts.length;
    if (made >= restarts) return undefined;
    const waitMs = Math.min(longestMs, firstMs * 2 ** made);
    this.#restarts.push(now + waitMs);
    return waitMs;
  }
}
