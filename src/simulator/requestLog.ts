/** Every request, for tests to check. The oldest are dropped beyond the bound; counts never are. */
import { type Counts, type LogEntry, type StandIn, standIns } from "./types.ts";

const MAX_ENTRIES = 200_000;

export class RequestLog {
  #entries: LogEntry[] = [];
  #n = 0;
  readonly requests = Object.fromEntries(
    [...standIns, "unknown"].map((name) => [name, 0]),
  ) as Counts["requests"];
  keyLeaks = 0;

  open(facts: {
    upstream: StandIn | null;
    elsewhere: boolean;
    method: string;
    path: string;
    query: string;
    apiKey: boolean;
  }): LogEntry {
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
