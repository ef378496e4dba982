/**
 * Dead letters as CLI, dashboard and scripts see them: batches and records that gave up, kept until a person replays,
 * accepts or purges them. docs/dead-letters.md says what each of these means.
 */
import type { PersonRequest } from "../../core/actor.ts";

/**
 * exhausted: all attempts were used up · permanent: it can never work as it is · stalled: BullMQ itself failed the job ·
 * bad-record: one record that the provider cannot read, with its raw bytes.
 */
export type DeadLetterClass = "exhausted" | "permanent" | "stalled" | "bad-record";

/** dead: waits for a person · replaying: has its new job · accepted: a bad record that no longer counts. */
export type DeadLetterState = "dead" | "replaying" | "accepted";

export interface DeadLetter {
  /** Stays the same through every replay. */
  id: string;
  provider: string;
  /** batch: a slice of a run · record: one bad record · job: something in the queue that is none of ours. */
  kind: "batch" | "record" | "job";
  class: DeadLetterClass;
  state: DeadLetterState;
  code: string;
  message: string;
  /** The record's id where it has one; else the batch key. */
  subject: string;
  /** The run and batch in which it gave up first. */
  runId: string;
  batch: string;
  /** Records that the batch was planned with; 1 for a record. */
  size: number;
  /** Attempts of its newest job. */
  attempts: number;
  /** How often it was replayed: its generation. */
  replays: number;
  firstFailedAt: string;
  lastFailedAt: string;
  /** Size of the raw bytes kept; 0 for batches. */
  rawBytes: number;
  /** Its newest job; null when a person removed it from the failed set, or while a replay has none yet. */
  jobId: string | null;
  /** The run that the replay belongs to, while it is replayed. */
  replayRunId: string | null;
  /** Who last replayed or accepted it, when and why. */
  lastAction: { what: "replay" | "accept"; actor: string; at: string; reason: string | null } | null;
}

/** Everything given must hold. Ages are those of the last failure, in ms. */
export interface DeadLetterFilter {
  provider?: string;
  code?: string;
  class?: DeadLetterClass;
  state?: DeadLetterState;
  olderThanMs?: number;
  newerThanMs?: number;
}

export type DeadLetterSelection = DeadLetterFilter | { ids: readonly string[] };

export interface DeadLetterActionOptions extends PersonRequest {
  /** Only say what would be done. */
  dryRun?: boolean;
  /** At most so many dead letters. */
  limit?: number;
  /** At most so many dead letters in any such time; the call lasts as long as that takes. */
  rate?: { max: number; windowMs: number };
  /** Ends the call between two dead letters; what was done stays done. */
  signal?: AbortSignal;
  onProgress?: (done: number) => void;
}

/** What an action on many dead letters did. */
export interface DeadLetterReport {
  dryRun: boolean;
  /** Dead letters that the selection names and the limit allows. */
  matched: number;
  /** Matched dead letters on which the action was done; with dryRun, on which it would be. */
  done: number;
  /** Matched letters that were left as they were, by reason: `replaying`, `accepted`, `not a bad record`, `not ours`, `gone`. */
  skipped: Record<string, number>;
  /** A few of those done, newest first. */
  sample: DeadLetter[];
}

export interface ReplayReport extends DeadLetterReport {
  /** The runs that the replays belong to. `waitingFor` says what keeps one from starting now, e.g. a run that is open. */
  runs: { provider: string; runId: string; letters: number; waitingFor: string | null }[];
  /** Those that are bad records: read again from their kept bytes, the upstream is not asked. */
  badRecords: number;
}

export interface PurgeReport extends DeadLetterReport {
  /** What cannot be replayed any more. */
  lost: { batches: number; batchRecords: number; records: number; rawBytes: number };
}

export interface DeadLetterPage {
  letters: DeadLetter[];
  /** Give it back to read on; null at the end. */
  cursor: string | null;
}

/** How near a provider is to the bound at which it pauses (law 5). Accepted dead letters do not count. */
export interface DeadLetterCap {
  provider: string;
  entries: number;
  maxEntries: number;
  rawBytes: number;
  maxRawBytes: number;
  /** The greater of both shares, 0 to 1 and beyond. */
  share: number;
  /** near: from 90 % on · full: the provider pauses with the next dead letter. */
  level: "ok" | "near" | "full";
}

export interface DeadLetterStats {
  /** Those in the list and those that wait to be in it. */
  total: number;
  /** Bad records of an open run whose jobs have not run yet: they are set aside and counted, and enter the list then. */
  waiting: number;
  byState: Record<DeadLetterState, number>;
  byCode: Record<string, number>;
  byClass: Record<string, number>;
  byProvider: Record<string, number>;
  rawBytes: number;
  /** First failure of the dead letter that failed first. */
  oldest: string | null;
  /** Last failure of the dead letter that failed last. */
  newest: string | null;
  maxReplays: number;
  meanReplays: number;
  caps: DeadLetterCap[];
}

/** Every action is kept with who asked and why, and shown in `Engine.history`. */
export interface DeadLetters {
  /** The newest failure first, over all providers. Rejects with API_BAD_INPUT for a cursor that is none. */
  list(filter: DeadLetterFilter, page: { limit: number; cursor?: string }): Promise<DeadLetterPage>;
  /** By its id or its job's. Rejects with API_NOT_FOUND. */
  show(id: string): Promise<{ letter: DeadLetter; raw: Buffer | null }>;
  /** The bytes of a bad record as they were received; null for a batch. Rejects with API_NOT_FOUND. */
  raw(id: string): Promise<Buffer | null>;
  stats(filter?: Pick<DeadLetterFilter, "provider">): Promise<DeadLetterStats>;
  /** Dead letters that are not accepted, those that wait to enter the list included. */
  count(provider?: string): Promise<number>;
  /**
   * Gives each dead letter a new job with fresh attempts: in its own run while that is open, else in a replay run, which opens
   * as soon as no other run is open and the provider is not paused. However often this is asked, a dead letter gets one new job.
   */
  replay(selection: DeadLetterSelection, options?: DeadLetterActionOptions): Promise<ReplayReport>;
  /** Bad records only: runs no longer count them, until the upstream sends other content. */
  accept(selection: DeadLetterSelection, options?: DeadLetterActionOptions): Promise<DeadLetterReport>;
  /** Forgets dead letters for ever. */
  purge(selection: DeadLetterSelection, options?: DeadLetterActionOptions): Promise<PurgeReport>;
}
