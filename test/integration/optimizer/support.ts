import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { type GovernedPool, KernelMetricsReader } from "../../../src/permits/optimizer/kernelMetrics.ts";
import { type Load, LoadReporter } from "../../../src/permits/optimizer/loadReporter.ts";
import { type Keys, makeKeys } from "../../../src/redis/keys.ts";

let prefixes = 0;
export const freshKeys = () => makeKeys(`o${++prefixes}`);

/** A pool in memory that does as the real one: revokes of what is held, never below one. */
export class PoolInMemory implements GovernedPool {
  size = 10;
  effective = 10;
  allocated = 10;
  readonly asked: string[] = [];
  /** Called before every look, e.g. to let another pod in between. */
  onShow: () => Promise<void> = async () => undefined;

  async show() {
    await this.onShow();
    return { size: this.size, effective: this.effective, allocated: this.allocated };
  }

  async revoke(n: number, why: string) {
    this.asked.push(`revoke ${n}: ${why}`);
    this.effective = Math.max(1, Math.min(this.effective, this.allocated) - n);
    this.allocated = Math.min(this.allocated, this.effective);
  }

  async restore(n: number, why: string) {
    this.asked.push(`restore ${n}: ${why}`);
    this.effective = Math.min(this.size, this.effective + n);
  }
}

export const reporter = (
  redis: Redis,
  keys: Keys,
  workerId = "w-1",
  load: () => Load = () => ({ buffered: 0, bound: 100 }),
): LoadReporter => new LoadReporter({ redis, keys, workerId, load, logger: silentLogger() });

export const metricsReader = (
  redis: Redis,
  keys: Keys,
  pool: GovernedPool = new PoolInMemory(),
  live: string[] = ["w-1"],
): KernelMetricsReader => new KernelMetricsReader({ redis, keys, pool, liveWorkers: async () => live });
