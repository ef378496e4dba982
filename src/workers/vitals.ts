/** What a worker measures of itself for its heartbeat. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { WorkerVitals } from "../recovery/workerView.ts";

/** How often the event loop is looked at, ms; what it is late beyond that is its delay. */
const LOOK_MS = 20;

const round = (ms: number): number => Math.round(Math.max(0, ms) * 10) / 10;

export class Vitals {
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOK_MS });

  start(): void {
    this.#loop.enable();
  }

  stop(): void {
    this.#loop.disable();
  }

  /** Measures; the event loop's delay is that since the last measurement. */
  async measure(of: { activeBatches: number; lastFetchAgeMs: number }): Promise<WorkerVitals> {
    const asked = performance.now();
    await nextTurn();
    const responseMs = performance.now() - asked;
    const delay = (ns: number): number => (Number.isFinite(ns) ? round(ns / 1e6 - LOOK_MS) : 0);
    const vitals = {
      responseMs: round(responseMs),
      loopDelayP99Ms: delay(this.#loop.percentile(99)),
      loopDelayMaxMs: delay(this.#loop.max),
      activeBatches: of.activeBatches,
      rssBytes: process.memoryUsage.rss(),
      lastFetchAgeMs: Math.round(of.lastFetchAgeMs),
    };
    this.#loop.reset();
    return vitals;
  }
}
