/**
 * Watches the limits for clients: NVD's rolling window, measured at arrival, and every Retry-After that was sent.
 * Times are monotonic ms.
 */
import type { NvdRate, StandIn } from "./types.ts";

export class RateWatch {
  readonly #rate: NvdRate | undefined;
  /** Arrivals within the window, oldest first, with and without a key. */
  readonly #arrivals = new Map<string, number[]>();
  readonly #waitUntil = new Map<StandIn, number>();
  overLimit = 0;
  whileToldToWait = 0;

  constructor(rate: NvdRate | undefined) {
    this.#rate = rate;
  }

  /** True when the request exceeds the window's limit. `client` is the key, or empty for clients without one. */
  arrived(client: string | undefined, now: number): boolean {
    if (!this.#rate) return false;
    const { max, windowMs, keyMax = max } = this.#rate;
    const name = client === undefined ? "" : `key ${client}`;
    const arrivals = (this.#arrivals.get(name) ?? []).filter((at) => now - at < windowMs);
    arrivals.push(now);
    this.#arrivals.set(name, arrivals);
    if (arrivals.length <= (client === undefined ? max : keyMax)) return false;
    this.overLimit += 1;
    return true;
  }

  get enforces(): boolean {
    return this.#rate !== undefined && this.#rate.enforce !== false;
  }

  /** An answer told this upstream's clients to wait. */
  told(upstream: StandIn, seconds: number, now: number): void {
    if (seconds > 0)
      this.#waitUntil.set(upstream, Math.max(this.#waitUntil.get(upstream) ?? 0, now + seconds * 1_000));
  }

  /** True when a request arrives before the required time. */
  tooEarly(upstream: StandIn, now: number): boolean {
    const early = now < (this.#waitUntil.get(upstream) ?? 0);
    if (early) this.whileToldToWait += 1;
    return early;
  }
}
