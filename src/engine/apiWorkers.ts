/** Workers and their end, as CLI, dashboard and scripts see them. */

/** Starts: it does not take batches yet. Stops: it takes no more. */
export type WorkerState = "starting" | "ready" | "stopping";

/** What a worker measured when it last published its heartbeat. */
export interface WorkerVitals {
  /** A round trip through its own event loop, ms. */
  responseMs: number;
  /** How much later than due its event loop came round since the heartbeat before: 99th percentile and worst, ms. */
  loopDelayP99Ms: number;
  loopDelayMaxMs: number;
  /** Batches it works on, the prefetched ones included. */
  activeBatches: number;
  /** Resident memory. */
  rssBytes: number;
  /**
   * Since the queue last answered a fetch, of the queue where that is longest ago, ms. A queue whose every slot is at work
   * has nothing to fetch and counts as 0.
   */
  lastFetchAgeMs: number;
}

/** live: heard of on time. late: a heartbeat is missing. dead: three are, or its process is known to be gone. */
export type WorkerHealth = "live" | "late" | "dead";

/** One worker that the fleet knows, the dead of the last ten minutes included. Times are by Redis' clock. */
export interface WorkerView {
  id: string;
  host: string;
  pid: number;
  version: string;
  startedAt: string;
  state: WorkerState;
  health: WorkerHealth;
  /** Heartbeats that are due and did not come; one is due every 10 s. */
  missedBeats: number;
  lastBeatAt: string;
  /** Null until the first heartbeat with figures. */
  vitals: WorkerVitals | null;
}

/** What a worker of this process says of itself, for probes and supervisors. */
export interface WorkerReport {
  state: WorkerState;
  /** Nothing is wrong that only a new process could mend. */
  live: boolean;
  /** It takes batches. */
  ready: boolean;
  /** Why not, one sentence each. */
  reasons: string[];
}

export interface ShutdownHookOptions {
  /** What it may take before the shutdown goes on without it, ms. Default 5,000. */
  timeoutMs?: number;
  /** Lower comes earlier; equal ones in the order of their registration. Default 100. */
  order?: number;
}

/**
 * Called once, when batches have been let go and Redis is still there. The signal fires when its time is over. One that
 * hangs or throws is logged and delays what follows by its time-out at most.
 */
export type ShutdownHook = (signal: AbortSignal) => Promise<void> | void;

/** Returns what takes the hook out again. */
export type OnShutdown = (name: string, hook: ShutdownHook, options?: ShutdownHookOptions) => () => void;

export interface StopOptions {
  /** For everything together, ms; what is not done by then is left. Default 25,000. */
  deadlineMs?: number;
}

/** How a shutdown went. */
export interface StopReport {
  /** What did not end in time or failed, one phrase each; empty after a clean stop. */
  left: string[];
}

export interface WorkerHandle {
  readonly id: string;
  report(): WorkerReport;
  /** Runs at `stop`, after this worker's batches are let go. */
  onShutdown: OnShutdown;
  /**
   * Not ready at once, no more batches; current ones commit or go back without spending an attempt; then hooks, permits,
   * the heartbeat. Never rejects.
   */
  stop(options?: StopOptions): Promise<StopReport>;
}
