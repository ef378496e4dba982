/**
 * Reports one worker's load to the fleet, in batches: the duration of its control operations (scripts of permits,
 * fences and checkpoints, as their caller sees them), its uncommitted records, and its finished jobs.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../../core/logger.ts";
import type { Keys } from "../../redis/keys.ts";
import { Rounds } from "../../redis/rounds.ts";
import { loadScript } from "../../redis/scripts.ts";

const reportScript = loadScript(new URL("./lua/reportLoad-3.lua", import.meta.url));

/** Samples of the fleet for the 99th percentile; older ones are removed. */
export const SAMPLES_KEPT = 1_000;
/** Older samples are ignored, ms. */
export const SAMPLES_LAST_MS = 300_000;
/** Length of a bucket of jobs and errors, ms. */
export const BUCKET_MS = 5_000;
/** One more than a rate needs, for the bucket in progress, plus some for late reads. */
export const BUCKETS_IN_RING = 16;

const INTERVAL_MS = 1_000;
/** This many samples are sent without waiting for the interval. */
const FLUSH_AT = 200;

export interface Load {
  /** Fetched and not yet committed. */
  buffered: number;
  /** Its maximum, in the same unit. */
  bound: number;
}

export interface LoadReporterOptions {
  redis: Redis;
  keys: Keys;
  workerId: string;
  load: () => Load;
  logger: Logger;
}

export class LoadReporter {
  readonly #options: LoadReporterOptions;
  #samples: number[] = [];
  #messages = 0;
  /** By provider. */
  #errors: Record<string, number> = {};
  readonly #rounds: Rounds;

  constructor(options: LoadReporterOptions) {
    this.#options = options;
    const { logger } = options;
    const work = () => this.runOnce();
    this.#rounds = new Rounds({ everyMs: INTERVAL_MS, work, failed: "load_report_failed", logger });
  }

  /** Records the duration of a control operation, ms. */
  sample(ms: number): void {
    this.#samples.push(ms);
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.splice(0, this.#samples.length - SAMPLES_KEPT);
    if (this.#samples.length >= FLUSH_AT && this.#rounds.started) this.#rounds.now();
  }

  /** Runs a control operation and measures its duration, also if it fails: trouble of Redis must show. */
  async timed<T>(operation: () => Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      return await operation();
    } finally {
      this.sample(performance.now() - from);
    }
  }

  /** A job has ended; `failed`: it spent an attempt or failed permanently. */
  countMessage(provider: string, failed: boolean): void {
    this.#messages++;
    if (failed) this.#errors[provider] = (this.#errors[provider] ?? 0) + 1;
  }

  start(): void {
    this.#rounds.start();
  }

  /** Sends the remaining samples, and that this worker holds nothing any more. */
  async stop(): Promise<void> {
    await this.#rounds.stop();
    await this.runOnce().catch(() => undefined);
    await this.#options.redis
      .hdel(this.#options.keys.workerLoads, this.#options.workerId)
      .catch(() => undefined);
  }

  /** Data that Redis did not accept is sent with the next report. */
  async runOnce(): Promise<void> {
    const { redis, keys, workerId, load } = this.#options;
    const { buffered, bound } = load();
    const [samples, messages, errors] = [this.#samples, this.#messages, this.#errors];
    this.#samples = [];
    this.#messages = 0;
    this.#errors = {};
    try {
      await reportScript.run(
        redis,
        [keys.controlSamples, keys.workerLoads, keys.fleetCounts],
        [
          ...[workerId, buffered, bound, messages, JSON.stringify(errors)],
          ...[SAMPLES_KEPT, BUCKET_MS, BUCKETS_IN_RING],
          ...samples.map((ms) => ms.toFixed(3)),
        ],
      );
    } catch (error) {
      this.#samples = [...samples, ...this.#samples].slice(-SAMPLES_KEPT);
      this.#messages += messages;
      for (const [provider, count] of Object.entries(errors))
        this.#errors[provider] = (this.#errors[provider] ?? 0) + count;
      throw error;
    }
  }
}
