/**
 * The kernel metrics of the last hours, for the plot. The pod that checks the fleet stores one sample, so the series
 * is the same in every dashboard and continues while none runs. A gap means that no worker was live.
 */
import type { Redis } from "ioredis";
import type { Keys } from "../../redis/keys.ts";
import { optimizerDefaults } from "./decide.ts";
import type { KernelMetrics } from "./kernelMetrics.ts";

/** Two hours; Redis trims by blocks and may keep a few more. */
const KERNEL_SAMPLES_KEPT = 1_440;

/** Interval between two samples, ms. */
export const KERNEL_SAMPLE_MS = optimizerDefaults.intervalMs;

export interface KernelSample extends KernelMetrics {
  at: string;
}

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
