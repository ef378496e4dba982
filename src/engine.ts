/** The composition root: the only file that builds and wires everything. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "./core/errors.ts";
import type { Logger } from "./core/logger.ts";
import { WeightedGate } from "./core/semaphore.ts";
import type {
  DeadLetter,
  Engine,
  EngineStatus,
  RunProgress,
  WorkerHandle,
  WorkerStatus,
} from "./engineApi.ts";
import { history, machineStatus, pause, resume, stop } from "./engineGovern.ts";
import { checkpoints, deadLetters, providerStatus, runProgress } from "./engineReads.ts";
import { lookUp, readChanges } from "./engineRecords.ts";
import { openMacroMachine, openProviderMachine, type ProviderMachineStore } from "./machines/machineStore.ts";
import { KernelMetricsReader } from "./permits/optimizer/kernelMetrics.ts";
import { makePermitPool } from "./permits/permitPool.ts";
import type { AnyProvider } from "./providers/contract.ts";
import { providers as registered } from "./providers/registry.ts";
import { ProviderQueue } from "./queues/providerQueue.ts";
import { RunsQueue } from "./queues/runsQueue.ts";
import { makeRedisChangeFeed, makeRedisProviderRecords } from "./records/index.ts";
import { BadRecords } from "./recovery/badRecords.ts";
import { RunStore } from "./recovery/runStore.ts";
import { Staging } from "./recovery/staging.ts";
import { WorkerRegistry } from "./recovery/workerRegistry.ts";
import type { RedisConnections } from "./redis/connect.ts";
import { serverFacts } from "./redis/info.ts";
import { makeKeys } from "./redis/keys.ts";
import { ensureSchema } from "./redis/schema.ts";
import { makeUpstream, type Upstream, type UpstreamTimeouts } from "./upstream/client.ts";
import { fingerprint } from "./upstream/secrets.ts";
import type { ProviderContext, StepObserver } from "./workers/context.ts";
import { FleetDuties, governedPool } from "./workers/fleetDuties.ts";
import { Governor } from "./workers/governor.ts";
import { openGoverned } from "./workers/openGoverned.ts";
import { AdaptivePageSize } from "./workers/pageSize.ts";
import { BatchWorker } from "./workers/worker.ts";

export interface ProviderSettings {
  /** Overrides the provider's default address. */
  url?: string;
  apiKey?: string;
  /** Overrides the provider's default rate. */
  rate?: { max: number; windowMs: number } | "unlimited";
  /** Greatest number of records to ask for at once; the provider's own by default. */
  pageSize?: number;
}

export interface EngineSettings {
  prefix: string;
  providers: Record<string, ProviderSettings>;
  /** Batches of one provider in one process at once, the prefetched one included. */
  concurrency: number;
  /** Bytes fetched and not yet committed, in one process. */
  inflightBytes: number;
  /** Multiplies throttle waits, retry and back-off delays. */
  waitScale: number;
  /** Change entries kept per provider. */
  changesLimit: number;
  timeouts: Partial<UpstreamTimeouts>;
  /** Size of a permit pool that has none stored; a person's resize persists. Default 10. */
  permits?: number;
  /** Share of the records that may fail for good before a provider is paused. Default 0.1. */
  errorRate?: number;
  /** Records processed before that share counts. Default 200. */
  errorMinimum?: number;
  /** Records that one worker may hold fetched and not yet committed, for the optimizer. Default 10,000. */
  bufferRecords?: number;
}

export interface OpenEngineOptions {
  settings: EngineSettings;
  redis: RedisConnections;
  logger: Logger;
  /** Default: the registry. */
  providers?: readonly AnyProvider[];
  onStep?: StepObserver;
}

/** A dead process stays in the upstream's register this long; its word is waited out before ours counts. */
const REGISTER_WITHIN_MS = 16_000;

export async function openEngine(options: OpenEngineOptions): Promise<Engine> {
  const { settings, redis, logger } = options;
  const keys = makeKeys(settings.prefix);
  await ensureSchema(redis.commands, keys);
  const contexts = new Map<string, ProviderContext>();
  const upstreams: Upstream[] = [];
  const machines = new Map<string, ProviderMachineStore>();
  const budget = new WeightedGate(settings.inflightBytes);
  const buffer = { records: 0 };
  const pool = makePermitPool({
    redis: redis.commands,
    keys: keys.permits,
    logger,
    ...(settings.permits === undefined ? {} : { size: settings.permits }),
  });
  const limits = { rate: settings.errorRate ?? 0.1, minimum: settings.errorMinimum ?? 200 };
  const macro = openMacroMachine(keys, { redis: redis.commands, logger });
  const half = Math.max(1, Math.floor(settings.concurrency / 2));
  for (const provider of options.providers ?? registered) {
    const providerKeys = keys.provider(provider.name);
    const own = settings.providers[provider.name] ?? {};
    const url = own.url ?? provider.upstream.defaultUrl;
    const usual = own.apiKey
      ? (provider.upstream.rateWithKey ?? provider.upstream.rate)
      : provider.upstream.rate;
    const upstream = makeUpstream({
      name: provider.name,
      settings: {
        rate: own.rate ?? usual,
        apiKeyFingerprint: fingerprint(own.apiKey),
        baseUrl: url,
      },
      redis: redis.commands,
      keys,
      logger,
      timeouts: settings.timeouts,
      waitScale: settings.waitScale,
    });
    upstreams.push(upstream);
    const runs = new RunStore(redis.commands, providerKeys);
    const queue = new ProviderQueue(provider.name, providerKeys, redis.commands);
    const machine = openProviderMachine(provider.name, providerKeys, { redis: redis.commands, logger });
    machines.set(provider.name, machine);
    contexts.set(provider.name, {
      provider,
      url,
      apiKey: own.apiKey,
      source: `${provider.version} ${url}`,
      runs,
      records: makeRedisProviderRecords({
        redis: redis.commands,
        keys: providerKeys,
        provider,
        changesLimit: settings.changesLimit,
      }),
      queue,
      governor: new Governor({ provider: provider.name, machine, pool, runs, queue, limits, logger }),
      reporter: undefined,
      buffer,
      upstream,
      staging: new Staging(redis.commands, providerKeys),
      badRecords: new BadRecords(redis.commands, providerKeys),
      pageSize: new AdaptivePageSize(Math.min(own.pageSize ?? provider.pageSize, provider.pageSize), logger),
      fetchLane: new WeightedGate(Math.max(1, settings.concurrency - half)),
      workLane: new WeightedGate(half),
      budget,
      waitScale: settings.waitScale,
      logger: logger.child({ provider: provider.name }),
      onStep: options.onStep ?? (() => undefined),
    });
  }
  const runsQueue = new RunsQueue(keys, redis.commands);
  const registry = new WorkerRegistry(redis.commands, keys);
  const feed = makeRedisChangeFeed({
    redis: redis.commands,
    keys,
    providers: [...contexts.values()].map((context) => context.provider),
  });
  const workers = new Set<WorkerHandle>();

  const contextOf = (name: string): ProviderContext => {
    const context = contexts.get(name);
    if (context) return context;
    throw new UeeError(
      "PROV_UNKNOWN",
      `There is no provider '${name}'; there are ${[...contexts.keys()].join(", ")}.`,
    );
  };

  const machineOf = (name: string): ProviderMachineStore => machines.get(contextOf(name).provider.name)!;

  const open: Engine["openRun"] = (request) => {
    const context = contextOf(request.provider);
    return openGoverned(context, {
      mode: request.mode,
      allowShrink: request.allowShrink ?? false,
      actor: { kind: "person", name: request.actor ?? "library" },
    });
  };

  const liveWorkers = async (): Promise<WorkerStatus[]> =>
    (await registry.live()).map((worker) => ({
      id: worker.id,
      host: worker.process.host,
      pid: worker.process.pid,
      startedAt: worker.startedAt,
      lastSeen: new Date(worker.expires - WorkerRegistry.holdsMs).toISOString(),
    }));

  const liveIds = async (): Promise<string[]> => (await registry.live()).map(({ id }) => id);

  return {
    providers: [...contexts.keys()],

    openRun: open,

    async openRunWhenPossible(request, { signal, onWaiting }) {
      for (let told = false; ; ) {
        try {
          return await open(request);
        } catch (error) {
          if (!(error instanceof UeeError) || error.code !== "PROV_RUN_OPEN") throw error;
          if (!told) onWaiting?.(String(error.data.runId));
          told = true;
          await sleep(error.retryAfterMs ?? 1000, undefined, { signal }).catch(() => {
            throw new UeeError("SYS_INTERRUPTED");
          });
        }
      }
    },

    runProgress: (provider, runId) => runProgress(contextOf(provider), runId, machineOf(provider)),

    async waitForRun(provider, runId, { signal, onProgress, pollMs = 250 }) {
      for (;;) {
        if (signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
        const progress: RunProgress = await runProgress(contextOf(provider), runId, machineOf(provider));
        onProgress?.(progress);
        if (progress.phase === "closed" || progress.state === "paused") return progress;
        await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      }
    },

    async status(): Promise<EngineStatus> {
      const [macroNow, states, live, server, waitingRuns] = await Promise.all([
        macro.read(),
        Promise.all([...contexts.values()].map((c) => providerStatus(c, machineOf(c.provider.name)))),
        liveWorkers(),
        serverFacts(redis.commands),
        runsQueue.waiting(),
      ]);
      const waiting =
        states.some(({ jobs }) => jobs.waiting + jobs.delayed + jobs.active > 0) || waitingRuns > 0;
      return {
        macro: machineStatus(macroNow),
        providers: states,
        workers: live,
        stranded: waiting && live.length === 0,
        redis: server,
        at: new Date().toISOString(),
      };
    },

    liveWorkers,

    pause: (provider, by = {}) => pause(contextOf(provider), machineOf(provider), by),
    resume: (provider, by = {}) => resume(contextOf(provider), machineOf(provider), by),
    stop: (provider, by = {}) => stop(contextOf(provider), machineOf(provider), by),

    permits: {
      show: () => pool.show(),
      resize: (size, by = {}) => pool.resize(size, { actor: by.actor ?? "library", reason: by.reason ?? "" }),
      audit: ({ repair = false, actor = "library" } = {}) => pool.audit({ repair, actor }),
    },

    kernelMetrics: () =>
      new KernelMetricsReader({
        redis: redis.commands,
        keys,
        pool: governedPool(pool, "reader"),
        liveWorkers: liveIds,
      }).kernelMetrics(),

    history(wanted) {
      if (wanted.provider !== undefined) contextOf(wanted.provider);
      return history({ macro, providers: machines }, redis.commands, keys, wanted);
    },

    checkpoints: (provider, wanted) => checkpoints(contextOf(provider), wanted),

    deadLetters: {
      async list({ provider, code, limit }) {
        const found: DeadLetter[] = [];
        for (const context of provider ? [contextOf(provider)] : contexts.values()) {
          for await (const letter of deadLetters(context)) {
            if (code && letter.code !== code) continue;
            if (found.length >= limit) return found;
            found.push(letter);
          }
        }
        return found;
      },
      async show(id) {
        for (const context of contexts.values()) {
          for await (const letter of deadLetters(context)) {
            if (letter.id !== id && letter.jobId !== id) continue;
            return { letter, raw: letter.kind === "record" ? await context.badRecords.raw(letter.id) : null };
          }
        }
        throw new UeeError("API_NOT_FOUND", `There is no dead letter ${id}; see \`uee dlq list\`.`);
      },
      async count(provider) {
        const wanted = provider ? [contextOf(provider)] : [...contexts.values()];
        const counts = await Promise.all(wanted.map((context) => context.queue.counts()));
        return counts.reduce((sum, { failed }) => sum + failed, 0);
      },
    },

    records: {
      get: (text) => lookUp([...contexts.values()], text),
      async *export(provider, { since, allowPartial, signal }) {
        const context = contextOf(provider);
        const { verifiedAt } = await context.runs.meta();
        if (verifiedAt === null && !allowPartial) {
          throw new UeeError("PROV_UNVERIFIED", `${provider} was never verified complete.`);
        }
        yield* context.records.export({ since, signal });
      },
      changes: (wanted) => {
        for (const name of wanted.providers ?? []) contextOf(name);
        return readChanges(feed, wanted);
      },
    },

    async startWorker(wanted = {}) {
      const mine = [...contexts.values()].filter(
        ({ provider }) => wanted.providers === undefined || wanted.providers.includes(provider.name),
      );
      await Promise.all(upstreams.map(enterFleet));
      const worker = new BatchWorker({
        keys,
        redis: redis.commands,
        openBlocking: () => redis.open("blocking"),
        contexts: mine,
        fleet: new FleetDuties({
          redis: redis.commands,
          keys,
          macro,
          pool,
          logger,
          liveWorkers: liveIds,
          bufferRecords: settings.bufferRecords ?? 10_000,
        }),
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

    async close() {
      await Promise.all([...workers].map((worker) => worker.stop()));
      pool.close();
      await pool.settled().catch(() => undefined);
      await Promise.all(upstreams.map((upstream) => upstream.close()));
      await Promise.allSettled([...contexts.values()].map((context) => context.queue.close()));
      await runsQueue.close().catch(() => undefined);
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
