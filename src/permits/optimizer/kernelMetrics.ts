/** The fleet's metrics, computed from the reports of its workers. */
import type { Redis } from "ioredis";
import type { Keys } from "../../redis/keys.ts";
import { redisMs } from "../../redis/time.ts";
import type { PermitPool } from "../permitPool.ts";
import type { PoolView } from "../report.ts";
import { optimizerDefaults } from "./decide.ts";
import { BUCKET_MS, BUCKETS_IN_RING, SAMPLES_KEPT, SAMPLES_LAST_MS } from "./loadReporter.ts";

/** Snake case follows v2e; times in ms, rates per second, saturation as a share (1 = full). */
export interface KernelMetrics {
  /**
   * 99th percentile of the fleet's control operations of the last five minutes, at most the last 1,000; 0 without
   * any.
   */
  p99_latency_ms: number;
  /** Fetched and not yet committed, as a share of its bound, over all live workers. */
  buffer_saturation: number;
  active_workers: number;
  /** The pool's configured size. */
  total_permits: number;
  allocated_permits: number;
  /** Permits that may be granted at once: none while more are held than a revocation left. */
  available_permits: number;
  /** Finished jobs per second, over the last minute. */
  message_rate: number;
  /** Failed jobs per second: they spent an attempt or failed permanently. */
  error_rate: number;
}

export interface FleetFigures {
  nowMs: number;
  p99Ms: number;
  /** From the last five minutes, newest first, at most 1,000. */
  samples: number[];
  /** Number of samples ever taken. */
  samplesTaken: number;
  saturation: number;
  messageRate: number;
  errorRate: number;
  activeWorkers: number;
}

export interface KernelMetricsOptions {
  redis: Redis;
  keys: Keys;
  pool: Pick<PermitPool, "show">;
  /** The size of a pool that was not used yet. Default 0. */
  seed?: number;
  /** Ids of the live workers, as in their load reports. */
  liveWorkers: () => Promise<string[]>;
}

/** Buckets of a rate: the last minute, without the bucket in progress. */
const RATE_BUCKETS = 60_000 / BUCKET_MS;
/** The report of a worker that is not live is removed after this long. */
const FORGET_MS = 60_000;
/** A worker reports its load every second: an older report is ignored. */
const LOAD_FRESH_MS = 15_000;

/** The smallest value that at least this share of all values does not exceed (nearest rank); 0 without values. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export const p99 = (values: readonly number[]): number => percentile(values, 0.99);

export class KernelMetricsReader {
  readonly #options: KernelMetricsOptions;

  constructor(options: KernelMetricsOptions) {
    this.#options = options;
  }

  async figures(): Promise<FleetFigures> {
    const { redis, keys, liveWorkers } = this.#options;
    const [samples, loads, counts, nowMs, live] = await Promise.all([
      redis.lrange(keys.controlSamples, 0, SAMPLES_KEPT - 1),
      redis.hgetall(keys.workerLoads),
      redis.hgetall(keys.fleetCounts),
      redisMs(redis),
      liveWorkers(),
    ]);
    const times = recent(samples, nowMs);
    return {
      nowMs,
      samples: times,
      samplesTaken: Number(counts.samples ?? 0),
      p99Ms: p99(times),
      saturation: await this.#saturation(loads, new Set(live), nowMs),
      ...rates(counts, nowMs),
      activeWorkers: live.length,
    };
  }

  async kernelMetrics(): Promise<KernelMetrics> {
    const [figures, pool] = await Promise.all([this.figures(), this.#options.pool.show({ holders: 0 })]);
    return toKernelMetrics(figures, pool, this.#options.seed);
  }

  async #saturation(loads: Record<string, string>, live: Set<string>, nowMs: number): Promise<number> {
    const { redis, keys } = this.#options;
    let buffered = 0;
    let bound = 0;
    for (const [id, text] of Object.entries(loads)) {
      const [at = 0, held = 0, most = 0] = text.split(" ").map(Number);
      if (live.has(id) && Math.abs(nowMs - at) <= LOAD_FRESH_MS) {
        buffered += held;
        bound += most;
      } else if (!live.has(id) && Math.abs(nowMs - at) > FORGET_MS) {
        await redis.hdel(keys.workerLoads, id);
      }
    }
    return bound > 0 ? buffered / bound : 0;
  }
}

/** Decodes the times of the last minutes in ms; stored as `<ms by Redis TIME> <ms>`. Older versions stored no time. */
function recent(samples: readonly string[], nowMs: number): number[] {
  return samples.flatMap((sample) => {
    const [at, ms] = sample.split(" ").map(Number);
    return ms !== undefined && Math.abs(nowMs - at!) <= SAMPLES_LAST_MS ? [ms] : [];
  });
}

/** `seed`: the size of a pool that was not used yet. */
export const toKernelMetrics = (
  figures: FleetFigures,
  { configured, effective, allocated }: Pick<PoolView, "configured" | "effective" | "allocated">,
  seed = 0,
): KernelMetrics => ({
  p99_latency_ms: figures.p99Ms,
  buffer_saturation: figures.saturation,
  active_workers: figures.activeWorkers,
  total_permits: configured ?? seed,
  allocated_permits: allocated,
  available_permits: Math.max(0, (configured === null ? seed : effective) - allocated),
  message_rate: figures.messageRate,
  error_rate: figures.errorRate,
});

function rates(counts: Record<string, string>, nowMs: number): { messageRate: number; errorRate: number } {
  const current = Math.floor(nowMs / BUCKET_MS);
  let messages = 0;
  let errors = 0;
  for (let place = 0; place < BUCKETS_IN_RING; place++) {
    const [bucket = 0, m = 0, e = 0] = (counts[`bucket:${place}`] ?? "").split(" ").map(Number);
    if (bucket >= current || bucket < current - RATE_BUCKETS) continue;
    messages += m;
    errors += e;
  }
  const seconds = (RATE_BUCKETS * BUCKET_MS) / 1000;
  return { messageRate: messages / seconds, errorRate: errors / seconds };
}

/** Two hours; Redis trims by blocks and may keep a few more. */
const KERNEL_SAMPLES_KEPT = 1_440;

/** Interval between two samples, ms. */
export const KERNEL_SAMPLE_MS = optimizerDefaults.intervalMs;

export interface KernelSample extends KernelMetrics {
  at: string;
}

/**
 * Kept for the plot: the pod that checks the fleet stores one sample, so the series is the same in every dashboard and
 * continues while none runs. A gap means that no worker was live.
 */
export async function keepKernelSample(
  redis: Redis,
  keys: Keys,
  nowMs: number,
  metrics: KernelMetrics,
): Promise<void> {
  const sample = JSON.stringify({ at: new Date(nowMs).toISOString(), ...metrics } satisfies KernelSample);
  await redis.xadd(keys.kernelHistory, "MAXLEN", "~", KERNEL_SAMPLES_KEPT, "*", "sample", sample);
}

/** Oldest first; at most `limit`, the newest ones. */
export async function kernelHistory(redis: Redis, keys: Keys, limit: number): Promise<KernelSample[]> {
  const rows = await redis.xrevrange(keys.kernelHistory, "+", "-", "COUNT", limit);
  return rows.reverse().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as KernelSample);
}
