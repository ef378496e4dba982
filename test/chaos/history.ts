/**
 * What a hunt leaves behind for the verifier: one JSON line an event, in the order in which the harness learned of it. Times
 * `t` are ms since the epoch by the machine's clock; of `fx` events the moment at which Redis did them, in its order.
 */
import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import type { StandIn, Upstream } from "../../src/simulator/types.ts";
import type { Plan } from "./plan.ts";

/** Who wrote: the script that Redis was executing. Null outside of scripts. */
export interface By {
  script: string;
  run?: string;
  batch?: string;
  fence?: string;
  /** How a dead letter ends: settle or purge. */
  how?: string;
}

/** lastModified in ms, null for none; fetchedAt in µs. */
export interface Version {
  id: string;
  fetchedAt: number;
  lastModified: number | null;
}

/** An effect on the store, as MONITOR told it: done, and in Redis' own order. */
export type Effect =
  | { fx: "run"; p: string; run: string; set: Record<string, string>; by: By | null }
  | { fx: "gone"; p: string; run: string; by: By | null }
  | { fx: "open"; p: string; run: string | null; by: By | null }
  | { fx: "planned"; p: string; run: string; batch: string; kind: string; size: number; by: By | null }
  | { fx: "order"; p: string; run: string; place: string; batch: string }
  | { fx: "fence"; p: string; run: string; batch: string; fence: string; by: By | null }
  | { fx: "status"; p: string; run: string; batch: string; status: string; by: By | null }
  | { fx: "seen"; p: string; run: string; marks: [id: string, mark: string][]; by: By | null }
  | { fx: "versions"; p: string; versions: Version[]; by: By | null }
  | { fx: "removed"; p: string; ids: string[]; by: By | null }
  /** When records were removed, µs by the provider's clock. */
  | { fx: "tombstones"; p: string; at: Record<string, number> }
  | { fx: "change"; p: string; seq: number; op: string; id: string; run: string; by: By | null }
  | { fx: "meta"; p: string; set: Record<string, string>; by: By | null }
  | { fx: "counted"; p: string; run: string; by: By | null }
  | { fx: "machine"; machine: string; set: Record<string, string> }
  | { fx: "transition"; machine: string; fields: Record<string, string> }
  | { fx: "lease"; lease: string; until: number; weight: number; p: string; fence: string; by: By | null }
  | { fx: "lease-end"; leases: string[]; by: By | null }
  | { fx: "pool"; size: number; taken: number; used: number; by: By | null }
  | { fx: "permit-log"; fields: string[] }
  | { fx: "letter"; p: string; id: string; set: Record<string, string>; by: By | null }
  | { fx: "letter-gone"; p: string; id: string; by: By | null }
  | { fx: "breaker"; upstream: string; fields: Record<string, string> }
  | { fx: "failed"; p: string; ids: string[]; by: By | null }
  | { fx: "unfailed"; p: string; ids: string[] | null; command: string; by: By | null };

/** What a Redis holds at its start, before any client may connect: the verifier's model of the store starts from it. */
export interface Snapshot {
  providers: Record<string, ProviderSnapshot>;
  /** machine → its state and version. */
  machines: Record<string, { state: string; version: number }>;
  leases: Record<string, { until: number; weight: number; p: string; fence: string }>;
  /** upstream → its breaker's state and version. */
  breakers: Record<string, { state: string; version: number }>;
}

export interface ProviderSnapshot {
  openRun: string | null;
  meta: Record<string, string>;
  versions: Version[];
  failed: string[];
  letters: Record<string, Record<string, string>>;
  runs: Record<
    string,
    {
      fields: Record<string, string>;
      statuses: Record<string, string>;
      fences: Record<string, string>;
      order: Record<string, string>;
    }
  >;
}

export interface RequestSeen {
  n: number;
  upstream: StandIn | null;
  /** By the simulator's monotonic clock; `t` of the event is the same moment by the wall. */
  monotonicMs: number;
  status: number;
  fault: string | null;
  /** Retry-After that its answer carried, s; 0 none. */
  retryAfter: number;
  /** When the answer's head was sent, ms after the arrival; null before it was. */
  answeredMs: number | null;
  elsewhere: boolean;
  apiKey: boolean;
}

/** The final state, read in peace. */
export interface FinalProvider {
  /** id → digest of the record's data as `export` gives it, and the same of the upstream's. */
  store: Record<string, string>;
  upstream: Record<string, string>;
  tombstones: string[];
  index: string[];
  recordKeys: string[];
  /** Keys of the index of links under which it differs from a walk over all records. */
  linksApart: string[];
  /** `fields`: names of the changed fields as JSON; of a run's summary its counts. */
  changes: { seq: number; op: string; id: string; run: string; fields: string }[];
  runs: Record<string, { fields: Record<string, string>; statuses: Record<string, string> }>;
  machine: { state: string; version: number };
  /** Failed jobs. */
  failed: { jobId: string; name: string; runId: string; batch: string; generation: number }[];
  jobs: { waiting: number; active: number; delayed: number; failed: number };
  /** Dead letters whose raw bytes are gone. */
  rawMissing: string[];
  letters: Record<string, Record<string, string>>;
  transitions: Record<string, string>[];
}

export interface RunEnd {
  provider: string;
  runId: string;
  mode: string;
  state: string;
  fetched: number;
  created: number;
  updated: number;
  unchanged: number;
  removed: number;
  deadLettered: number;
  error: string | null;
}

/** What a person did, and what was answered: `acked` the engine said that it is done. */
export interface PersonAct {
  what: "pause" | "resume" | "stop" | "resize" | "replay" | "accept" | "purge" | "reset" | "open";
  provider: string | null;
  outcome: "acked" | "refused" | "unknown";
  /** When it was asked; `t` is when the answer came. */
  askedAt: number;
  detail: string;
}

export type HistoryEvent = { t: number } & (
  | { k: "begin"; plan: Plan; secrets: string[]; commit: string | null }
  /** `r`: by the clock of Redis, ms, where that had been set otherwise than the machine's. */
  | { k: "fx"; e: Effect; r?: number }
  /** Redis' clock was set so far after the machine's, ms. */
  | { k: "clock"; offsetMs: number; beforeMs: number }
  /** The monitor lost its place: from here to the next snapshot nothing is known. */
  | { k: "blind"; why: string }
  | { k: "snapshot"; why: string; s: Snapshot }
  /** Redis was taken away (killed, frozen, …) and given back; `lost`: it may have forgotten up to so many ms. */
  | { k: "redis"; what: string; lostMs: number }
  | { k: "redis-back"; what: string }
  | { k: "act"; kind: string; target: string; ok: boolean; detail: string }
  | { k: "worker"; what: "started" | "ready" | "ended"; slot: number; pid: number; how: string }
  | { k: "held"; slot: number; pid: number; from: number; to: number }
  | { k: "drained"; slot: number; ms: number; code: number | null }
  | { k: "step"; pid: number; step: string; phase: string; batch: string }
  | { k: "log"; pid: number; line: Record<string, unknown> }
  | { k: "person"; a: PersonAct }
  | { k: "faults"; faults: string[] }
  | { k: "content"; p: Upstream; report: Record<string, string[]>; ok: boolean }
  /** From here to the next truth it is not certain what the upstream holds. */
  | { k: "changing"; p: Upstream }
  | { k: "truth"; p: Upstream; versions: [id: string, lastModified: number | null][] }
  | { k: "request"; r: RequestSeen }
  | { k: "healed" }
  | { k: "run-end"; when: "increment" | "full"; r: RunEnd | null; why: string }
  | { k: "final"; p: Upstream; f: FinalProvider; when: "increment" | "full" }
  | { k: "audit"; findings: string[]; used: number; size: number }
  | { k: "injected"; counts: Record<string, number>; violations: Record<string, number> }
  /** Where a secret was met, if anywhere; and how many bytes were searched in each place. */
  | { k: "secrets"; searched: Record<string, number>; found: string[] }
  | { k: "end" }
);

/** Appends as it goes: what a crashed hunt saw is there. */
export class HistoryWriter {
  readonly path: string;
  readonly #out: WriteStream;
  count = 0;

  constructor(path: string) {
    this.path = path;
    this.#out = createWriteStream(path);
  }

  add(event: HistoryEvent): void {
    this.count++;
    this.#out.write(`${JSON.stringify(event)}\n`);
  }

  /** Now, by the clock that Redis has too. */
  now(event: HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, "t"> : never) : never): void {
    this.add({ t: Date.now(), ...event } as HistoryEvent);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#out.end(resolve));
  }
}

export async function readHistory(path: string): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line !== "") events.push(JSON.parse(line) as HistoryEvent);
  }
  return events;
}
