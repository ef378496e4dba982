/** Workers of this process, and those that live anywhere. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import { toWorkerView, WorkerRegistry } from "../recovery/workerRegistry.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Upstream } from "../upstream/client.ts";
import { ActiveBatches } from "../workers/consumers.ts";
import { FleetServices } from "../workers/fleetServices.ts";
import { type ShutdownStep, STOP_DEADLINE_MS } from "../workers/shutdown.ts";
import { BatchWorker } from "../workers/worker.ts";
import type { Engine, StopOptions, WorkerHandle, WorkerStatus } from "./api.ts";
import type { EngineParts } from "./parts.ts";
import { makeFleetSchedules } from "./schedules.ts";
import { version } from "./version.ts";

/** How long a dead process stays registered with an upstream: its registration must expire before ours is accepted. */
const REGISTER_WITHIN_MS = 16_000;

export interface EngineWorkers extends Pick<Engine, "liveWorkers" | "workers" | "startWorker"> {
  liveIds(): Promise<string[]>;
  /** The step of a shutdown that stops every worker of this process. */
  stopStep(options: StopOptions): ShutdownStep;
}

export function makeWorkers(parts: EngineParts): EngineWorkers {
  const { registry, settings, keys, redis, connections, macro, pool, logger } = parts;
  const workers = new Set<WorkerHandle>();
  const active = new ActiveBatches();
  const liveIds = async (): Promise<string[]> => (await registry.live()).map(({ id }) => id);

  return {
    liveIds,

    liveWorkers: async (): Promise<WorkerStatus[]> =>
      (await registry.live()).map((worker) => ({
        id: worker.id,
        host: worker.process.host,
        pid: worker.process.pid,
        startedAt: worker.startedAt,
        providers: worker.serves.providers,
        takesRuns: worker.serves.runs,
        lastSeen: new Date(worker.expires - WorkerRegistry.holdsMs).toISOString(),
      })),

    workers: async () =>
      (await registry.all())
        .map(toWorkerView)
        .sort((a, b) => Number(a.startedAt > b.startedAt) - Number(a.startedAt < b.startedAt)),

    async startWorker(wanted = {}) {
      const mine = [...parts.contexts.values()].filter(
        ({ provider }) => wanted.providers === undefined || wanted.providers.includes(provider.name),
      );
      await Promise.all(parts.upstreams.map((upstream) => enterFleet(upstream, wanted.signal)));
      const worker = new BatchWorker({
        keys,
        redis,
        connections,
        contexts: mine,
        gate: parts.gate,
        fleet: new FleetServices({
          redis,
          connections,
          keys,
          macro,
          pool,
          logger,
          liveWorkers: liveIds,
          runs: new Map([...parts.contexts].map(([name, { runs }]) => [name, runs])),
          bufferRecords: settings.bufferRecords ?? 10_000,
        }),
        takesRuns: wanted.providers === undefined,
        runsQueue: parts.runsQueue,
        schedulePlan: parts.schedulePlan,
        schedules: wanted.schedules ? makeFleetSchedules(parts) : undefined,
        registry,
        pool,
        active,
        concurrency: settings.concurrency,
        waitScale: settings.waitScale,
        version: version(),
        logger,
      });
      const handle: WorkerHandle = {
        id: worker.id,
        report: () => worker.report(),
        onShutdown: worker.onShutdown,
        stop: async (how) => {
          const report = await worker.stop(how);
          workers.delete(handle);
          return report;
        },
      };
      // Registered before it has started: closing the engine meanwhile stops it too.
      workers.add(handle);
      await worker.start().catch((error: unknown) => {
        workers.delete(handle);
        // A Redis that takes no writes at this moment is no reason to fall over: callers wait for it by its code.
        throw mapRedisError(error);
      });
      return handle;
    },

    stopStep({ deadlineMs = STOP_DEADLINE_MS }) {
      const left: string[] = [];
      return {
        name: "workers",
        timeoutMs: deadlineMs,
        left: () => left,
        run: () =>
          Promise.all(
            [...workers].map(async (worker) => {
              left.push(...(await worker.stop({ deadlineMs })).left);
            }),
          ),
      };
    },
  };
}

/** Enters the fleet of an upstream. A process that died a moment ago may still stand there with other settings. */
async function enterFleet(upstream: Upstream, signal?: AbortSignal): Promise<void> {
  const until = Date.now() + REGISTER_WITHIN_MS;
  for (;;) {
    try {
      return await upstream.register();
    } catch (error) {
      const mayPass = error instanceof UeeError && error.code === "SYS_FLEET_DISAGREES" && Date.now() < until;
      if (!mayPass) throw error;
      await sleep(1000, undefined, { signal }).catch(() => {
        throw new UeeError("SYS_INTERRUPTED");
      });
    }
  }
}
