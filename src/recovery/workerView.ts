/** A worker as the fleet sees it. */

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

/** live: its heartbeats arrive on time. late: one is missing. dead: three are, or its process is known to be gone. */
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
  /** How its process ended, as its supervisor saw it: `was ended by SIGKILL`. Null where it lives or no supervisor saw it. */
  ended: string | null;
  /** Null until the first heartbeat with figures. */
  vitals: WorkerVitals | null;
}
