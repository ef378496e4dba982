/** A worker of this process, as CLI, dashboard and scripts see it. */
import type { WorkerState } from "../recovery/workerView.ts";
import type { OnShutdown, StopOptions, StopReport } from "./shutdown.ts";

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
