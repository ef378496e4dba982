/** Workers of this process, and those that live anywhere. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import { WorkerRegistry } from "../recovery/workerRegistry.ts";
import type { Upstream } from "../upstream/client.ts";
import { FleetDuties } from "../workers/fleetDuties.ts";
import { BatchWorker } from "../workers/worker.ts";
import type { Engine, WorkerHandle, WorkerStatus } from "./api.ts";
import type { EngineParts } from "./parts.ts";
import { makeScheduleDuty } from "./schedules.ts";

/** A dead process stays in the upstream's register this long; its word is waited out before ours counts. */
const REGISTER_WITHIN_MS = 16_000;

export interface EngineWorkers extends Pick<Engine, "liveWorkers" | "startWorker"> {
  liveIds(): Promise<string[]>;
  stopAll(): Promise<void>;
}

export function makeWorkers(parts: EngineParts): EngineWorkers {
  const { registry, settings, keys, redis, connections, macro, pool, logger } = parts;
  const workers = new Set<WorkerHandle>();
  const liveIds = async (): Promise<string[]> => (await registry.live()).map(({ id }) => id);

  return {
    liveIds,

    liveWorkers: async (): Promise<WorkerStatus[]> =>
      (await registry.live()).map((worker) => ({
        id: worker.id,
        host: worker.process.host,
        pid: worker.process.pid,
        startedAt: worker.startedAt,
        lastSeen: new Date(worker.expires - WorkerRegistry.holdsMs).toISOString(),
      })),

    async startWorker(wanted = {}) {
      const mine = [...parts.contexts.values()].filter(
        ({ provider }) => wanted.providers === undefined || wanted.providers.includes(provider.name),
      );
      await Promise.all(parts.upstreams.map(enterFleet));
      const worker = new BatchWorker({
        keys,
        redis,
        openBlocking: () => connections.open("blocking"),
        contexts: mine,
        gate: parts.gate,
        fleet: new FleetDuties({
          redis,
          keys,
          macro,
          pool,
          logger,
          liveWorkers: liveIds,
          providers: [...parts.contexts.keys()],
          bufferRecords: settings.bufferRecords ?? 10_000,
        }),
        takesRuns: wanted.providers === undefined,
        schedulePlan: parts.schedulePlan,
        schedules: wanted.schedules ? makeScheduleDuty(parts) : undefined,
        concurrency: settings.concurrency,
        waitScale: settings.waitScale,
        logger,
      });
      await worker.start();
      const handle: WorkerHandle = {
        id: worker.id,
        stop: async (how) => {
          await worker.stop(how);
          workers.delete(handle);
        },
      };
      workers.add(handle);
      return handle;
    },

    async stopAll() {
      await Promise.all([...workers].map((worker) => worker.stop()));
    },
  };
}

/** Enters the fleet of an upstream. A process that died a moment ago may still stand there with other settings. */
async function enterFleet(upstream: Upstream): Promise<void> {
  const until = Date.now() + REGISTER_WITHIN_MS;
  for (;;) {
    try {
      return await upstream.register();
    } catch (error) {
      const mayPass = error instanceof UeeError && error.code === "SYS_FLEET_DISAGREES" && Date.now() < until;
      if (!mayPass) throw error;
      await sleep(1000);
    }
  }
}
