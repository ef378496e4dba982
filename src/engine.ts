/** The composition root: the only file that builds and wires everything. */
import type { Redis } from "ioredis";
import type { Breaker } from "./breakers/breaker.ts";
import { effectiveRate, feedsUrlOf } from "./config/fields.ts";
import { fingerprint } from "./core/secrets.ts";
import { WeightedGate } from "./core/semaphore.ts";
import type { Engine, EngineStatus, StopReport } from "./engine/api.ts";
import { buildBreaker, makeBreakers } from "./engine/breakers.ts";
import { prepareRun } from "./engine/bundleRuns.ts";
import { machineStatus, pause, resizePermits, resume, stop } from "./engine/govern.ts";
import { NameIndex } from "./engine/names.ts";
import { makeObserving } from "./engine/observe.ts";
import { contextOf, type EngineParts, machineOf, type OpenEngineOptions } from "./engine/parts.ts";
import { checkpoints, providerStatus } from "./engine/reads.ts";
import { exportRecords, lookUp, readChanges, recordsAbout, verifiedState } from "./engine/records.ts";
import { makeRuns } from "./engine/runs.ts";
import { nextRun, scheduleViews, staleAfter } from "./engine/schedules.ts";
import { trace } from "./engine/trace.ts";
import { makeWorkers } from "./engine/workers.ts";
import { openMacroMachine, openProviderMachine, type ProviderMachineStore } from "./machines/machineStore.ts";
import { auditHistory } from "./permits/auditor.ts";
import { KernelMetricsReader } from "./permits/optimizer/kernelMetrics.ts";
import { makePermitPool } from "./permits/permitPool.ts";
import { refuseCircles } from "./providers/contract.ts";
import { providers as registered } from "./providers/registry.ts";
import { ProviderQueue } from "./queues/providerQueue.ts";
import { RunsQueue } from "./queues/runsQueue.ts";
import { SchedulePlan } from "./queues/schedulePlan.ts";
import { makeChangeFeed, makeProviderRecords } from "./records/index.ts";
import { BadRecords } from "./recovery/deadLetters/badRecords.ts";
import { BatchDeaths } from "./recovery/deadLetters/batchDeaths.ts";
import { DEAD_LETTER_LIMITS, DeadLetterStore } from "./recovery/deadLetters/deadLetterStore.ts";
import { makeDeadLetters } from "./recovery/deadLetters/operatorReads.ts";
import { forgetAddresses } from "./recovery/forgetAddresses.ts";
import { WorkerRegistry } from "./recovery/workerRegistry.ts";
import { serverFacts } from "./redis/info.ts";
import { makeKeys, probeOf } from "./redis/keys.ts";
import { ensureSchema } from "./redis/schema.ts";
import { makeTroubleGate } from "./redis/troubleGate.ts";
import { Batches } from "./runs/batches.ts";
import { FileLists } from "./runs/fileLists.ts";
import { Runs } from "./runs/runs.ts";
import { StagedSlices } from "./runs/stagedSlices.ts";
import { makeUpstream, type Upstream } from "./upstream/client.ts";
import type { UpstreamSettings } from "./upstream/fleet.ts";
import { ALONE, type ProviderContext } from "./workers/context.ts";
import { Governor } from "./workers/governor.ts";
import { AdaptivePageSize } from "./workers/pageSize.ts";
import { ShutdownHooks, STOP_DEADLINE_MS, shutDown } from "./workers/shutdown.ts";

export type { EngineSettings, OpenEngineOptions, ProviderSettings } from "./engine/parts.ts";

/** What letting go of one kind of thing may take. */
const CLOSE_STEP_MS = 3_000;

export async function openEngine(options: OpenEngineOptions): Promise<Engine> {
  const { settings, redis, logger } = options;
  const keys = makeKeys(settings.prefix);
  const probes = new Map<Redis, string>();
  /** The connection for a key; whether its server takes writes is probed when there is trouble. */
  const at = (key: string): Redis => {
    const connection = redis.of(key);
    if (!probes.has(connection)) probes.set(connection, probeOf(key));
    return connection;
  };
  const fleet = at(keys.fleet);
  await ensureSchema(fleet, keys);
  const providers = options.providers ?? registered;
  refuseCircles(providers);
  await forgetAddresses(
    redis,
    providers.map(({ name }) => keys.provider(name)),
    logger,
  );
  const contexts = new Map<string, ProviderContext>();
  const upstreams: Upstream[] = [];
  const breakers = new Map<string, Breaker>();
  const machines = new Map<string, ProviderMachineStore>();
  const gate = makeTroubleGate({ probes, logger });
  const budget = new WeightedGate(settings.inflightBytes);
  const company = new WeightedGate(ALONE);
  const registry = new WorkerRegistry(fleet, keys);
  const pool = makePermitPool({
    redis: at(keys.permits.pool),
    keys: keys.permits,
    logger,
    ...(settings.permits === undefined ? {} : { size: settings.permits }),
    blocking: () => redis.open("blocking", keys.permits.pool),
  });
  const deadLetterLimits = {
    entries: settings.deadLetterLimit ?? DEAD_LETTER_LIMITS.entries,
    rawBytes: settings.deadLetterBytes ?? DEAD_LETTER_LIMITS.rawBytes,
  };
  const limits = { rate: settings.errorRate ?? 0.1, minimum: settings.errorMinimum ?? 200 };
  const macro = openMacroMachine(keys, { redis: fleet, logger });
  const half = Math.max(1, Math.floor(settings.concurrency / 2));
  for (const provider of providers) {
    const providerKeys = keys.provider(provider.name);
    const store = at(providerKeys.tag);
    const own = settings.providers[provider.name] ?? {};
    const url = own.url ?? provider.upstream.defaultUrl;
    const openUpstream = (
      name: string,
      upstreamSettings: UpstreamSettings,
      governor: () => Governor | undefined,
    ): Upstream => {
      const breaker = buildBreaker({ upstream: name, redis, keys, settings, logger, governor });
      breakers.set(name, breaker);
      const opened = makeUpstream({
        guard: breaker,
        name,
        settings: upstreamSettings,
        redis: at(keys.upstream(name).state),
        keys,
        logger,
        timeouts: settings.timeouts,
        waitScale: settings.waitScale,
      });
      upstreams.push(opened);
      return opened;
    };
    const upstream = openUpstream(
      provider.name,
      {
        rate: effectiveRate(own, provider.upstream, own.apiKey),
        apiKeyFingerprint: fingerprint(own.apiKey),
        baseUrl: url,
      },
      () => contexts.get(provider.name)?.governor,
    );
    const feedsUrl = feedsUrlOf(provider.upstream, own);
    // What happens to the feeds says nothing of the provider: it can do without them.
    const feeds = feedsUrl && {
      url: feedsUrl,
      upstream: openUpstream(
        `${provider.name}-feeds`,
        {
          rate: own.rate === "unlimited" ? own.rate : provider.upstream.feeds!.rate,
          apiKeyFingerprint: fingerprint(undefined),
          baseUrl: feedsUrl,
        },
        () => undefined,
      ),
    };
    const runs = new Runs(store, providerKeys);
    const deadLetters = new DeadLetterStore(store, providerKeys, deadLetterLimits);
    // Only a fingerprint of the address is stored: the address may contain credentials.
    // @safeguard address-as-fingerprint
    const source = `${provider.version} ${fingerprint(url)}`;
    const queue = new ProviderQueue(provider.name, providerKeys, store);
    const machine = openProviderMachine(provider.name, providerKeys, { redis: store, logger });
    machines.set(provider.name, machine);
    contexts.set(provider.name, {
      redis: store,
      provider,
      url,
      apiKey: own.apiKey,
      source,
      runs,
      batches: new Batches(store, providerKeys),
      records: makeProviderRecords({
        redis: store,
        keys: providerKeys,
        provider,
        changesLimit: settings.changesLimit,
      }),
      queue,
      governor: new Governor({
        provider: provider.name,
        machine,
        pool,
        runs,
        queue,
        deadLetters,
        limits,
        logger,
      }),
      reporter: undefined,
      // A worker has its own.
      buffer: { records: 0 },
      lastWeight: { bytes: 1 },
      upstream,
      feeds: feeds || undefined,
      gate,
      stagedSlices: new StagedSlices(store, providerKeys),
      fileLists: new FileLists(store, providerKeys),
      badRecords: new BadRecords(store, providerKeys),
      deaths: new BatchDeaths(store, providerKeys, registry),
      deadLetters,
      pageSize: new AdaptivePageSize(Math.min(own.pageSize ?? provider.pageSize, provider.pageSize)),
      fetchLane: new WeightedGate(Math.max(1, settings.concurrency - half)),
      workLane: new WeightedGate(half),
      budget,
      company,
      waitScale: settings.waitScale,
      logger: logger.child({ provider: provider.name }),
      onStep: options.onStep ?? (() => undefined),
    });
  }
  const runsQueue = new RunsQueue(keys, fleet);
  const feed = makeChangeFeed({
    redis,
    keys,
    providers: [...contexts.values()].map((context) => context.provider),
  });
  const names = new NameIndex([...contexts.values()], feed);
  const parts: EngineParts = {
    settings,
    keys,
    redis: fleet,
    connections: redis,
    gate,
    logger,
    contexts,
    machines,
    macro,
    pool,
    upstreams,
    breakers,
    runsQueue,
    schedulePlan: new SchedulePlan(fleet, keys.schedules),
    registry,
  };
  const workers = makeWorkers(parts);
  const hooks = new ShutdownHooks();
  let closing: Promise<StopReport> | undefined;
  const { close: closeBreakers, ...breakersApi } = makeBreakers(parts);
  const context = (name: string): ProviderContext => contextOf(parts, name);
  const machine = (name: string): ProviderMachineStore => machineOf(parts, name);

  return {
    providers: [...contexts.keys()],

    ...makeRuns(parts),
    prepareRun: (request, records, how) => prepareRun(context(request.provider), request, records, how),
    ...makeObserving(parts),
    ...breakersApi,

    async status(): Promise<EngineStatus> {
      const [macroNow, states, live, known, server, waitingRuns, runsPaused, schedules] = await Promise.all([
        macro.read(),
        Promise.all([...contexts.values()].map((c) => providerStatus(c, machine(c.provider.name)))),
        workers.liveWorkers(),
        workers.workers(),
        serverFacts(redis),
        runsQueue.waiting(),
        runsQueue.isPaused(),
        scheduleViews(parts),
      ]);
      const deserted = ({ provider, jobs }: (typeof states)[number]) =>
        jobs.waiting + jobs.delayed + jobs.active > 0 && !live.some((w) => w.providers.includes(provider));
      const runsDeserted = waitingRuns > 0 && !live.some((worker) => worker.takesRuns);
      return {
        macro: machineStatus(macroNow),
        providers: states.map((state) => ({
          ...state,
          nextRun: nextRun(schedules, state.provider),
          staleAfterMs: staleAfter(schedules, state.provider),
        })),
        workers: known,
        runsPaused,
        stranded: runsDeserted || states.some(deserted),
        redis: server,
        at: new Date().toISOString(),
      };
    },

    schedules: () => scheduleViews(parts),
    liveWorkers: workers.liveWorkers,
    workers: workers.workers,
    noteWorkerEnd: (id, how) => registry.noteEnd(id, how),
    startWorker: workers.startWorker,

    pause: (provider, by = {}) => pause(context(provider), machine(provider), by),
    resume: (provider, by = {}) => resume(context(provider), machine(provider), by),
    stop: (provider, by = {}) => stop(context(provider), machine(provider), by),

    permits: {
      show: () => pool.show(),
      resize: (size, by = {}) => resizePermits(parts, size, by),
      audits: () => auditHistory(fleet, keys),
      audit: ({ repair = false, actor = "library" } = {}) => pool.audit({ repair, actor }),
    },

    kernelMetrics: () =>
      new KernelMetricsReader({
        redis: fleet,
        keys,
        pool,
        seed: settings.permits ?? 10,
        liveWorkers: workers.liveIds,
      }).kernelMetrics(),

    checkpoints: (provider, wanted) => checkpoints(context(provider), wanted),

    deadLetters: makeDeadLetters([...contexts.values()], context),

    records: {
      get: async (text, { provider } = {}) =>
        lookUp(provider === undefined ? [...contexts.values()] : [context(provider)], text),
      texts: (provider, ids) => context(provider).records.texts(ids),
      verified: (provider) => verifiedState(context(provider)),
      trace: (text, wanted) => trace([...contexts.values()], text, wanted),
      search: (text, { limit }) => names.search(text, limit),
      about: (text) => recordsAbout([...contexts.values()], text),
      export: (provider, wanted) => exportRecords(context(provider), wanted),
      changes: (wanted) => {
        for (const name of wanted.providers ?? []) context(name);
        return readChanges(feed, wanted);
      },
      async recentChanges({ limit, providers, op, id }) {
        for (const name of providers ?? []) context(name);
        const { entries, complete } = await feed.newest({ limit, only: providers, op, id });
        return { changes: entries, complete };
      },
      changesEnd: () => feed.end(),
    },

    onShutdown: hooks.add,

    close(how = {}) {
      const step = (name: string, run: () => unknown) => ({
        ...{ name, timeoutMs: CLOSE_STEP_MS },
        run: async () => void (await run()),
      });
      closing ??= shutDown(
        [
          workers.stopStep(how),
          ...hooks.steps(),
          step("permits", () => {
            gate.close();
            pool.close();
            return pool.settled();
          }),
          step("upstreams", () => Promise.all(upstreams.map((upstream) => upstream.close()))),
          // When nothing calls them any more: a probe's token goes back.
          step("breakers", closeBreakers),
          step("queues", () =>
            Promise.all([...contexts.values(), { queue: runsQueue }].map((c) => c.queue.close())),
          ),
        ],
        { deadlineMs: how.deadlineMs ?? STOP_DEADLINE_MS, logger },
      );
      return closing;
    },
  };
}
