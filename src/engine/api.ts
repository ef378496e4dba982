/**
 * The engine as CLI, dashboard and scripts see it. `engine.ts` builds it; nothing above it knows Redis or BullMQ.
 */
import type { BreakerTransition, BreakerView } from "../breakers/report.ts";
import type { Actor, PersonRequest } from "../core/actor.ts";
import type { Edition } from "../core/edition.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { HistoryEntry } from "../machines/machineStore.ts";
import type { MachineSnapshot } from "../machines/request.ts";
import type { AuditHistory } from "../permits/auditor.ts";
import type { KernelMetrics, KernelSample } from "../permits/optimizer/kernelMetrics.ts";
import type { QuotaEvent } from "../permits/optimizer/quotaEvents.ts";
import type { PoolSize } from "../permits/permitPool.ts";
import type { AuditReport, PoolView } from "../permits/report.ts";
import type { RunMode } from "../providers/contract.ts";
import type { JobCounts } from "../queues/bullmqQueue.ts";
import type { ChangeEntry, StoredRecord, Tombstone } from "../records/contract.ts";
import type { DeadLetterCap, DeadLetters } from "../recovery/deadLetters/api.ts";
import type { WorkerView } from "../recovery/workerView.ts";
import type { BundleFacts } from "../runs/bundleBatches.ts";
import type { OpenedRun } from "../runs/openRun.ts";
import type { Reconciled } from "../runs/runRecord.ts";
import type { RunTotals } from "../runs/totals.ts";
import type { WorkerHandle } from "../workers/handle.ts";
import type { Series, SeriesName, SeriesRange } from "../workers/series.ts";
import type { OnShutdown, StopOptions, StopReport } from "../workers/shutdown.ts";

export type { BreakerCounts, BreakerTransition, BreakerView } from "../breakers/report.ts";
export type { PersonRequest } from "../core/actor.ts";
export type { KernelMetrics, KernelSample } from "../permits/optimizer/kernelMetrics.ts";
export type { QuotaEvent } from "../permits/optimizer/quotaEvents.ts";
export type * from "../recovery/deadLetters/api.ts";
export type * from "../recovery/workerView.ts";
export type { OpenedRun } from "../runs/openRun.ts";
export type * from "../workers/handle.ts";
export type { Series, SeriesName, SeriesRange } from "../workers/series.ts";
export type {
  OnShutdown,
  ShutdownHook,
  ShutdownHookOptions,
  StopOptions,
  StopReport,
} from "../workers/shutdown.ts";

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
  /** replay: dead letters of closed runs, tried again. It verifies nothing. */
  kind: "ordinary" | "replay";
  /** Bad records that a person has accepted: fetched, and counted as nothing else. */
  accepted: number;
  phase: "planning" | "loading" | "removing" | "verifying" | "closed";
  pass: number;
  /** Records expected in this pass as far as the upstream has said; null before it has. */
  expected: number | null;
  batchesDone: number;
  batchesPlanned: number;
  /** Who opened it, and why where that was said. */
  actor: string;
  reason: string | null;
  startedAt: string;
  endedAt: string | null;
  /** URN up to which everything is committed. */
  checkpoint: string | null;
  /** What a reconciliation found; null before its end, and in other runs. */
  reconciled: Reconciled | null;
  /** How it went on otherwise than planned, e.g. without the year feeds and why; null where nothing is to be said. */
  note: string | null;
  /** Why it waits at present and until when, e.g. the upstream's throttle. */
  waiting: { reason: string; until: string } | null;
  /** Batches that failed and are tried again, the next one first; of a run at most 20 are told. */
  retrying: BatchRetry[];
}

/** Why a batch is tried again, and when. */
export interface BatchRetry {
  batch: string;
  /** Code of the last failure. */
  code: ErrorCode | string;
  message: string;
  /** The one that failed, from 1, of so many; after the last the batch is given up. */
  attempt: number;
  attempts: number;
  /** In the past while the next attempt waits for its turn or is under way. */
  nextAt: string;
}

/** A machine as people see it. `until`: the end of a wait, ISO; null where there is none. */
export type MachineStatus = Pick<
  MachineSnapshot<string, string>,
  "state" | "since" | "reason" | "actor" | "until" | "remainingMs" | "version"
>;

export interface ProviderStatus {
  provider: string;
  machine: MachineStatus;
  /** Verified complete at least once. */
  verified: boolean;
  watermark: string | null;
  verifiedAt: string | null;
  /**
   * The edition that was stored last, by the source's own names (`metadata`: EPSS's `model_version` and `score_date`, KEV's
   * `catalogVersion` and `dateReleased`); null where the source has no editions or none was completed.
   */
  edition: Edition | null;
  /** Live records. */
  records: number;
  openRun: RunProgress | null;
  /** The last ordinary run that closed. */
  lastRun: RunProgress | null;
  /** The last run fell short only by dead letters, and none is left: they were replayed, accepted or purged since. */
  lastRunSettled: boolean;
  /** The last run of replayed dead letters that closed. */
  lastReplay: RunProgress | null;
  jobs: JobCounts;
  deadLetters: DeadLetterCap;
  /** What the last comparison with the upstream's feeds found; null where there was none. */
  reconciled: Reconciled | null;
  /** Why the last one could compare nothing; null where it could. */
  reconcileFailed: { code: ErrorCode | string; message: string; at: string } | null;
  lastCheckpoint: string | null;
  /** The nearest slot of its schedules; a paused provider's does nothing. Null where none is kept. */
  nextRun: { at: string; mode: RunMode } | null;
  /** Verified longer ago than this it is stale, ms: its shortest interval missed twice. Null where it has no interval. */
  staleAfterMs: number | null;
}

export interface WorkerStatus {
  id: string;
  host: string;
  pid: number;
  startedAt: string;
  lastSeen: string;
  /** Whose batches it takes. */
  providers: string[];
  /** It takes jobs of the queue `runs` and the slots of the schedules. */
  takesRuns: boolean;
}

/** One schedule of one provider, as it holds for the fleet. */
export interface ScheduleView {
  provider: string;
  mode: RunMode;
  /** False: runs of this kind open only on request. */
  enabled: boolean;
  /** Interval in ms; null for a cron expression. */
  everyMs: number | null;
  /** UTC; null for an interval. */
  cron: string | null;
  /** ISO; in the past when it is overdue. Null where no worker has kept the schedule yet. */
  next: string | null;
  /** ISO: when its last slot was taken. */
  last: string | null;
  /** What came of it: a run opened or joined, or nothing because the provider was paused. */
  lastOutcome: "opened" | "joined" | "paused" | null;
  lastRunId: string | null;
}

export interface EngineStatus {
  macro: MachineStatus;
  providers: ProviderStatus[];
  /** All that are known; `health` tells who lives. */
  workers: WorkerView[];
  /** Jobs wait and no worker lives. */
  stranded: boolean;
  /** The queue `runs` is paused: jobs of scripts and schedules wait. Workers resume it within seconds. */
  runsPaused: boolean;
  /** `trouble`: why it refuses writes at present, as far as it tells. */
  redis: {
    version: string;
    usedMemory: number;
    maxMemory: number;
    persistence: string;
    trouble: string | null;
  };
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

/** One line of `uee history`: a transition of a machine or a breaker, a decision about permits, or what a person did with dead letters. */
export interface HistoryLine {
  at: string;
  kind: "transition" | "breaker" | "quota" | "dead-letters";
  /** Null for the fleet's own machine and for quota decisions. */
  provider: string | null;
  /** `RUNNING → PAUSED`, `breaker closed → open`, `revoke 2`, or `dead letters: replayed 12`. */
  what: string;
  /** The event of a transition; for dead letters, the selection. */
  trigger: string;
  actor: string;
  actorKind: Actor["kind"];
  reason: string | null;
}

/** The actions on a provider that people know. */
export type ProviderAction = "start" | "pause" | "resume" | "stop";

/** One transition of one machine, as the history keeps it. `provider` is null for the fleet's own machine. */
export type HistoryTransition = Omit<HistoryEntry<string, string>, "providerId" | "details"> & {
  provider: string | null;
};

/** Both machines and what they have come to; snake case follows v2e. */
export interface EtlTree {
  macro_fsm: { id: string; state: string; created_at: string | null; updated_at: string | null };
  providers: {
    id: string;
    provider_type: string;
    state: string;
    /** URN. */
    last_checkpoint: string | null;
    /** Records processed by the open run, else by the last one. */
    processed_count: number;
    /** Those of the processed records that became dead letters. */
    error_count: number;
    permits_allocated: number;
    /** The edition of the last complete run, where the source has editions. */
    edition?: Edition;
    created_at: string | null;
    updated_at: string | null;
  }[];
  /** Ever kept, of all providers. */
  total_checkpoints: number;
}

/** What a provider's runs did since the store began. */
export interface ProviderTotals extends RunTotals {
  provider: string;
  /** Transitions of its machine. */
  transitions: number;
}

/** A run that is wanted. */
export interface RunRequest extends PersonRequest {
  provider: string;
  mode: RunMode;
  allowShrink?: boolean;
  allowOlder?: boolean;
  /** Reconciliations only; false: only looks. Default true. */
  repair?: boolean;
}

/** What of a provider is verified. */
export interface VerifiedState {
  /** ISO; null: never. */
  verifiedAt: string | null;
  /** Up to which point in upstream time; ISO. */
  watermark: string | null;
  edition: Edition | null;
  /** Id of the open run. */
  openRun: string | null;
  /** The provider's clock: what is read while no run is open and the clock stands is of one moment. */
  clock: string;
}

/** A run whose records the caller brings. */
export interface PrepareRequest extends PersonRequest {
  provider: string;
  bundle: BundleFacts;
  /** For the run's status. */
  note: string;
  /** Older versions of records replace newer ones. */
  allowOlder: boolean;
  allowShrink: boolean;
}

/** A run of which everything is staged, and nothing is committed. */
export interface PreparedRunHandle {
  /** Undefined where anything happened to the provider since: it must be prepared again. */
  open(): Promise<OpenedRun | undefined>;
  /** Drops what is staged; only before `open`, or after it has resolved to undefined. */
  discard(): Promise<void>;
}

export interface TraceOptions {
  /** At most so many of each provider of the records that name one. Default 10. */
  limit?: number;
  /** Only those records that name the root whose id comes after this one in plain string order: the next page. */
  after?: string;
  /** Adds to each node its alias. */
  aliases?: boolean;
}

export interface TraceNode {
  urn: string;
  provider: string;
  id: string;
  /** Null: the mirror has no such record. */
  name: string | null;
  /** ATT&CK's own id, where the record's is a STIX id; only if asked for. */
  alias?: string | null;
}

export interface TraceEdge {
  /** URNs: the record that names the other one, and that one. */
  from: string;
  to: string;
  relation: string;
}

/** A record as a search shows it. */
export interface FoundRecord {
  urn: string;
  provider: string;
  id: string;
  /** By which people know it where the id is a long one: T1059.001. */
  alias: string | null;
  name: string | null;
}

/** A record, what it leads to and what leads to it. */
export interface Trace {
  /** URN. */
  root: string;
  nodes: TraceNode[];
  edges: TraceEdge[];
  /** URN → how many further records name it, or start at it, than are shown. */
  more: Record<string, number>;
  /** Present while the links of records of an older store are not all indexed: records of these providers may be missing. */
  incomplete?: string[];
}

export interface Engine {
  readonly providers: readonly string[];
  /** Opens a run or joins the open one. Rejects with PROV_RUN_OPEN when a full run waits for an open increment. */
  openRun(request: RunRequest): Promise<OpenedRun>;
  /** As openRun, but waits out an open increment before a full run opens. */
  openRunWhenPossible(
    request: RunRequest,
    options: { signal?: AbortSignal; onWaiting?: (runId: string) => void },
  ): Promise<OpenedRun>;
  /**
   * Stages the records of a bundle, all that the provider has, for a run that `open` of the handle opens. Waits for the end
   * of an open run; where that loads the same bundle, `open` joins it.
   */
  prepareRun(
    request: PrepareRequest,
    records: () => AsyncIterable<{ id: string; text: string }>,
    options: { signal: AbortSignal; onWaiting?: (runId: string) => void },
  ): Promise<PreparedRunHandle>;
  runProgress(provider: string, runId: string): Promise<RunProgress>;
  /**
   * Resolves when the run is closed, or with state `paused` while its provider is paused; rejects with SYS_INTERRUPTED
   * when the signal fires.
   */
  waitForRun(
    provider: string,
    runId: string,
    options: { signal?: AbortSignal; onProgress?: (progress: RunProgress) => void; pollMs?: number },
  ): Promise<RunProgress>;
  status(): Promise<EngineStatus>;
  /** New batches stop at once, running ones at their next safe point. It stays paused until a person resumes it. */
  pause(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  /** Goes on from the checkpoint. Rejects with PROV_ILLEGAL_TRANSITION naming the states that would allow it. */
  resume(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  /** Cancels what is planned of the open run and closes it as stopped. */
  stop(provider: string, by?: PersonRequest): Promise<MachineStatus>;
  permits: {
    show(): Promise<PoolView>;
    resize(size: number, by?: PersonRequest): Promise<PoolSize>;
    /** What the regular audits found and mended. */
    audits(): Promise<AuditHistory>;
    audit(options?: { repair?: boolean; actor?: string }): Promise<AuditReport>;
  };
  /** Every upstream's breaker, as the whole fleet has it. */
  breakers(): Promise<BreakerView[]>;
  /** Newest first; of one upstream, or of all. */
  breakerTransitions(options: { upstream?: string; limit: number }): Promise<BreakerTransition[]>;
  /** Closes an upstream's breaker; `changed` is false when it was closed already. */
  resetBreaker(upstream: string, by?: PersonRequest): Promise<{ changed: boolean; view: BreakerView }>;
  /**
   * Calls the listener for every transition of every breaker, whichever pod made it: each once, in order. Resolves, with
   * what ends it, when nothing that happens from then on is missed.
   */
  onBreakerStateChange(listener: (transition: BreakerTransition) => void): Promise<() => void>;
  kernelMetrics(): Promise<KernelMetrics>;
  /** Samples of the last two hours, the oldest first. */
  kernelHistory(options: { limit: number }): Promise<KernelSample[]>;
  etlTree(): Promise<EtlTree>;
  /** The open one and closed ones, the newest first; of one provider or of all. */
  runs(options: { provider?: string; limit: number }): Promise<RunProgress[]>;
  /** Newest first; of one provider, or of all and the fleet's machine. */
  transitions(options: { provider?: string; limit: number }): Promise<HistoryTransition[]>;
  totals(): Promise<ProviderTotals[]>;
  /** Throughput, requests and errors of each provider, or the memory of Redis, over hours or weeks. */
  series(options: { name: SeriesName; range: SeriesRange; provider?: string }): Promise<Series>;
  /** Jobs of the queue `runs`. */
  runsJobs(): Promise<JobCounts>;
  /** The optimizer's decisions, newest first. */
  quotaEvents(options: { limit: number }): Promise<QuotaEvent[]>;
  /** The actions that would change something in this state. */
  actionsIn(state: string): ProviderAction[];
  /** The states in which this action would change something. */
  statesFor(action: ProviderAction): string[];
  /** Resolves when Redis answers and its store is one that we know; rejects with what is wrong. */
  ready(): Promise<void>;
  /** Newest first; of one provider, or of all, the fleet's machine and the quota decisions. `people`: only what people did. */
  history(options: { provider?: string; limit: number; people?: boolean }): Promise<HistoryLine[]>;
  liveWorkers(): Promise<WorkerStatus[]>;
  checkpoints(
    provider: string,
    options: { limit: number; failed?: boolean; successOnly?: boolean },
  ): Promise<Checkpoint[]>;
  /** Every worker that is known with its last heartbeat, the oldest first; the dead for ten minutes. */
  workers(): Promise<WorkerView[]>;
  /** A supervisor says how the process of a worker ended: `was ended by SIGKILL`. */
  noteWorkerEnd(id: string, how: string): Promise<void>;
  deadLetters: DeadLetters;
  records: {
    /**
     * By URN, id or alias. KEV and EPSS share CVE's ids: without `provider` an id means the record of the provider whose
     * own ids have its form.
     */
    get(
      text: string,
      options?: { provider?: string },
    ): Promise<{ record: StoredRecord } | { removed: Tombstone; urn: string } | undefined>;
    /** The JSON of each record, UTF-8; undefined where it is not live. For outlets that hand records on unread. */
    texts(provider: string, ids: readonly string[]): Promise<(Buffer | undefined)[]>;
    verified(provider: string): Promise<VerifiedState>;
    /** The graph around a record (engine/trace.ts); undefined where nothing is known of it. */
    trace(text: string, options?: TraceOptions): Promise<Trace | undefined>;
    /**
     * Records by id, alias or words of their names, the best match first. Names are read into this process at the first
     * search; `complete` is false until that is done.
     */
    search(text: string, options: { limit: number }): Promise<{ results: FoundRecord[]; complete: boolean }>;
    /** Every record with this id or about it, of all providers; the subject's own first. */
    about(text: string): Promise<StoredRecord[]>;
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
    /**
     * The newest changes first, of these providers, of one kind or of one record (an id as the feed writes it). `complete`:
     * all that are kept were looked through.
     */
    recentChanges(options: {
      limit: number;
      providers?: readonly string[];
      op?: ChangeEntry["op"];
      id?: string;
    }): Promise<{ changes: ChangeEntry[]; complete: boolean }>;
    /** Where the change feed ends now: what is read from this cursor happened after. */
    changesEnd(): Promise<string>;
  };
  schedules(): Promise<ScheduleView[]>;
  /**
   * Takes batches in this process until stopped: of the providers named, or of all and then jobs of the queue `runs`
   * too. With `schedules` it also keeps the fleet's schedules, as services do. The signal calls off the start:
   * SYS_INTERRUPTED.
   */
  startWorker(options?: {
    providers?: string[];
    schedules?: boolean;
    signal?: AbortSignal;
  }): Promise<WorkerHandle>;
  /** Runs at `close`, after all workers of this process have stopped. */
  onShutdown: OnShutdown;
  /** Stops the workers of this process, runs the hooks, lets go of everything. Never rejects. */
  close(options?: StopOptions): Promise<StopReport>;
}
