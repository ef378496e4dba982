import type { Redis } from "ioredis";
import type { NamedRequest } from "../../../src/core/actor.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { KernelMetricsReader } from "../../../src/permits/optimizer/kernelMetrics.ts";
import { type Load, LoadReporter } from "../../../src/permits/optimizer/loadReporter.ts";
import type { PermitPool } from "../../../src/permits/permitPool.ts";
import { type Keys, makeKeys } from "../../../src/redis/keys.ts";

let prefixes = 0;
export const freshKeys = () => makeKeys(`o${++prefixes}`);

type GovernedPool = Pick<PermitPool, "show" | "revoke" | "restore">;

/** A pool in memory that does as the real one: revokes of what is held, never below one. */
export class PoolInMemory {
  size = 10;
  effective = 10;
  allocated = 10;
  readonly asked: string[] = [];
  /** Called before every look, e.g. to let another pod in between. */
  onShow: () => Promise<void> = async () => undefined;
  /** As the optimizer gets it. */
  readonly pool = {
    show: async () => {
      await this.onShow();
      return { configured: this.size, effective: this.effective, allocated: this.allocated };
    },
    revoke: async (n: number, { reason }: NamedRequest) => {
      this.asked.push(`revoke ${n}: ${reason}`);
      this.effective = Math.max(1, Math.min(this.effective, this.allocated) - n);
      this.allocated = Math.min(this.allocated, this.effective);
    },
    restore: async (n: number, { reason }: NamedRequest) => {
      this.asked.push(`restore ${n}: ${reason}`);
      this.effective = Math.min(this.size, this.effective + n);
    },
  } as unknown as GovernedPool;
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
  { pool }: { pool: GovernedPool } = new PoolInMemory(),
  live: string[] = ["w-1"],
): KernelMetricsReader => new KernelMetricsReader({ redis, keys, pool, liveWorkers: async () => live });
