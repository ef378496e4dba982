/** What the simulator notes about its requests: the log, and the limits that clients must keep. Times are monotonic ms. */
import { type Counts, type LogEntry, type NvdRate, type StandIn, standIns } from "./types.ts";

const MAX_ENTRIES = 200_000;

/** Every request, for tests to check. The oldest are dropped beyond the bound; counts never are. */
export class RequestLog {
  #entries: LogEntry[] = [];
  #n = 0;
  readonly requests = Object.fromEntries(
    [...standIns, "unknown"].map((name) => [name, 0]),
  ) as Counts["requests"];
  keyLeaks = 0;

  open(facts: Pick<LogEntry, "upstream" | "elsewhere" | "method" | "path" | "query" | "apiKey">): LogEntry {
    this.#n += 1;
    this.requests[facts.upstream ?? "unknown"] += 1;
    if (facts.elsewhere && facts.apiKey) this.keyLeaks += 1;
    const entry: LogEntry = {
      n: this.#n,
      at: new Date().toISOString(),
      monotonicMs: performance.now(),
      ...facts,
      status: 0,
      fault: null,
      bytes: 0,
      durationMs: null,
      retryAfter: 0,
      answeredMs: null,
      overLimit: false,
      whileToldToWait: false,
    };
    this.#entries.push(entry);
    if (this.#entries.length > MAX_ENTRIES) this.#entries = this.#entries.slice(MAX_ENTRIES / 10);
    return entry;
  }

  /** Copies, so that a result does not change later. */
  entries(since = 0): LogEntry[] {
    return this.#entries.filter((entry) => entry.n > since).map((entry) => ({ ...entry }));
  }
}

/** NVD's rolling window, measured at arrival, and every Retry-After that was sent. */
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
