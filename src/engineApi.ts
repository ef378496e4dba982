/**
 * The engine as CLI, dashboard and scripts see it. `engine.ts` builds it; nothing above it knows Redis or BullMQ.
 */
import type { ErrorCode } from "./core/errors.ts";
import type { RunMode } from "./providers/contract.ts";
import type { ChangeEntry, StoredRecord, Tombstone } from "./records/contract.ts";

export type RunState = "running" | "complete" | "incomplete" | "paused" | "stopped" | "failed";

export interface RunError {
  code: ErrorCode | string;
  message: string;
  remedy: string;
}

/** The contract's summary of a run, field by field. */
export interface RunSummary {
  provider: string;
  runId: string;
  mode: RunMode;
  state: RunState;
  fetched: number;
  created: number;
  updated: number;
  unchanged: number;
  removed: number;
  deadLettered: number;
  requests: number;
  batches: number;
  durationMs: number;
  watermark: string | null;
  error: RunError | null;
}

/** A run while it moves; what progress bars and `status` show. */
export interface RunProgress extends RunSummary {
  phase: "planning" | "loading" | "removing" | "verifying" | "closed";
  pass: number;
  /** Records expected in this pass as far as the upstream has said; null before it has. */
  expected: number | null;
  batchesDone: number;
  batchesPlanned: number;
  startedAt: string;
  endedAt: string | null;
  /** URN up to which everything is committed. */
  checkpoint: string | null;
  /** Why it waits at present and until when, e.g. the upstream's throttle. */
  waiting: { reason: string; until: string } | null;
}

export interface ProviderStatus {
  provider: string;
  /** Verified complete at least once. */
  verified: boolean;
  watermark: string | null;
  verifiedAt: string | null;
  /** Live records. */
  records: number;
  openRun: RunProgress | null;
  lastRun: RunProgress | null;
  jobs: { waiting: number; active: number; delayed: number; failed: number };
  lastCheckpoint: string | null;
}

export interface WorkerStatus {
  id: string;
  host: string;
  pid: number;
  startedAt: string;
  lastSeen: string;
}

export interface EngineStatus {
  providers: ProviderStatus[];
  workers: WorkerStatus[];
  /** Jobs wait and no worker lives. */
  stranded: boolean;
  redis: { version: string; usedMemory: number; maxMemory: number; persistence: string };
  at: string;
}

export interface Checkpoint {
  urn: string;
  runId: string;
  batch: string;
  pass: number;
  records: number;
  at: string;
  success: boolean;
  error: string | null;
}

export interface DeadLetter {
  id: string;
  provider: string;
  jobId: string;
  kind: "batch" | "record";
  code: string;
  message: string;
  /** The record's id where it has one; else the batch key. */
  subject: string;
  runId: string;
  batch: string;
  attempts: number;
  firstFailedAt: string;
  lastFailedAt: string;
  /** Size of the raw bytes kept; 0 for batches. */
  rawBytes: number;
}

export interface WorkerHandle {
  readonly id: string;
  /** Stops taking batches; the current one commits or goes back; resolves when all is let go. */
  stop(options?: { deadlineMs?: number }): Promise<void>;
}

export interface Engine {
  readonly providers: readonly string[];
  /** Opens a run or joins the open one. Rejects with PROV_RUN_OPEN when a full run waits for an open increment. */
  openRun(request: {
    provider: string;
    mode: RunMode;
    allowShrink?: boolean;
    actor?: string;
  }): Promise<{ runId: string; joined: boolean; mode: RunMode }>;
  /** As openRun, but waits out an open increment before a full run opens. */
  openRunWhenPossible(
    request: { provider: string; mode: RunMode; allowShrink?: boolean; actor?: string },
    options: { signal?: AbortSignal; onWaiting?: (runId: string) => void },
  ): Promise<{ runId: string; joined: boolean; mode: RunMode }>;
  runProgress(provider: string, runId: string): Promise<RunProgress>;
  /** Resolves when the run is closed; rejects with SYS_INTERRUPTED when the signal fires. */
  waitForRun(
    provider: string,
    runId: string,
    options: { signal?: AbortSignal; onProgress?: (progress: RunProgress) => void; pollMs?: number },
  ): Promise<RunProgress>;
  status(): Promise<EngineStatus>;
  liveWorkers(): Promise<WorkerStatus[]>;
  checkpoints(provider: string, options: { limit: number; failed?: boolean }): Promise<Checkpoint[]>;
  deadLetters: {
    list(options: { provider?: string; code?: string; limit: number }): Promise<DeadLetter[]>;
    show(id: string): Promise<{ letter: DeadLetter; raw: Buffer | null }>;
    count(provider?: string): Promise<number>;
  };
  records: {
    /** By URN, id or alias. */
    get(text: string): Promise<{ record: StoredRecord } | { removed: Tombstone; urn: string } | undefined>;
    export(
      provider: string,
      options: { since?: number; allowPartial?: boolean; signal?: AbortSignal },
    ): AsyncIterable<StoredRecord>;
    changes(options: {
      since?: string;
      providers?: string[];
      follow?: boolean;
      signal?: AbortSignal;
    }): AsyncIterable<ChangeEntry>;
  };
  /** Takes batches in this process until stopped. */
  startWorker(options?: { providers?: string[] }): Promise<WorkerHandle>;
  close(): Promise<void>;
}
