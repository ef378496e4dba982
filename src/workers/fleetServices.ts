/**
 * What every worker does for the whole fleet beside its batches: carries provider transitions to the macro machine, tells
 * its load, audits the permit pool, optimizes its size and stores what is plotted. All of it is compare-and-set in Redis: any number of workers may do
 * it at once, and any of them may die.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import type { MacroMachineStore } from "../machines/machineStore.ts";
import { MacroPump } from "../machines/macroPump.ts";
import { PermitAuditor } from "../permits/auditor.ts";
import { KernelMetricsReader } from "../permits/optimizer/kernelMetrics.ts";
import { LoadReporter } from "../permits/optimizer/loadReporter.ts";
import { OptimizerService } from "../permits/optimizer/optimizerService.ts";
import type { PermitPool } from "../permits/permitPool.ts";
import type { RedisConnections } from "../redis/connect.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Keys } from "../redis/keys.ts";
import type { Runs } from "../runs/runs.ts";
import { SeriesRecorder } from "./series.ts";

export interface FleetServicesOptions {
  redis: Redis;
  connections: RedisConnections;
  keys: Keys;
  macro: MacroMachineStore;
  pool: PermitPool;
  liveWorkers: () => Promise<string[]>;
  /** All providers of the fleet, whichever this worker works for, and their runs. */
  runs: ReadonlyMap<string, Runs>;
  /** Records that one worker may hold fetched and not yet committed. */
  bufferRecords: number;
  logger: Logger;
}

export class FleetServices {
  readonly #o: FleetServicesOptions;
  #services: { start(): void; stop(): Promise<void> }[] = [];

  constructor(options: FleetServicesOptions) {
    this.#o = options;
  }

  /** What a worker reports about itself: its control operations, its messages, and how full its buffer is. */
  makeReporter(workerId: string, buffer: { records: number }): LoadReporter {
    const { redis, keys, logger, bufferRecords } = this.#o;
    const load = () => ({ buffered: buffer.records, bound: bufferRecords });
    return new LoadReporter({ redis, keys, workerId, logger, load });
  }

  async start(workerId: string, reporter: LoadReporter): Promise<void> {
    const { redis, connections, keys, macro, pool, liveWorkers, runs, logger } = this.#o;
    this.#services = [
      reporter,
      new MacroPump({
        ...{ redis: connections, keys, macro, logger, actor: workerId },
        providers: [...runs.keys()],
      }),
      new PermitAuditor({ redis, keys, pool, logger, actor: workerId }),
      new OptimizerService({
        ...{ redis, keys, pool, logger, actor: workerId },
        metrics: new KernelMetricsReader({ redis, keys, pool, liveWorkers }),
      }),
      new SeriesRecorder({ redis, connections, keys, runs, logger, actor: workerId }),
    ];
    await macro.attempt("start", { actor: { kind: "engine", name: workerId } });
    for (const service of this.#services) service.start();
  }

  /** Never rejects: what is left undone another worker does. */
  async stop(workerId: string): Promise<void> {
    // What the reporter still has to tell is part of the last point of the series.
    const [reporter, ...others] = this.#services;
    await Promise.allSettled([reporter?.stop()]);
    await Promise.allSettled(others.map((service) => service.stop()));
    this.#services = [];
    try {
      if ((await this.#o.liveWorkers()).length > 0) return;
      await this.#o.macro.attempt("drain", {
        actor: { kind: "engine", name: workerId },
        reason: "the last worker left",
      });
    } catch (error) {
      const { code, message } = mapRedisError(error);
      this.#o.logger.debug({ event: "drain_untold", code }, message);
    }
  }
}
