/**
 * A worker: takes batches of the providers' queues and jobs of the `runs` queue until it is stopped, and says meanwhile
 * how it is.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { LoadReporter } from "../permits/optimizer/loadReporter.ts";
import type { PermitPool } from "../permits/permitPool.ts";
import { boundEvents } from "../queues/bullmqQueue.ts";
import { LOCK_MS } from "../queues/locks.ts";
import type { RunsQueue } from "../queues/runsQueue.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { ActiveBatches } from "./consumers.ts";
import { type ConsumedQueue, Consumers } from "./consumers.ts";
import type { ProviderContext } from "./context.ts";
import type { FleetSchedules } from "./fleetSchedules.ts";
import type { FleetServices } from "./fleetServices.ts";
import type { WorkerReport } from "./handle.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Maintenance } from "./maintenance.ts";
import { BatchProcessor } from "./processor.ts";
import { runsConsumer } from "./runsConsumer.ts";
import {
  type OnShutdown,
  ShutdownHooks,
  STOP_DEADLINE_MS,
  type StopOptions,
  type StopReport,
  shutDown,
} from "./shutdown.ts";
import { watchTrouble } from "./trouble.ts";

/** Jobs of the queue `runs` in one worker at once. */
const RUNS_CONCURRENCY = 4;
/** A queue that Redis, being well, has not answered for so long never will. */
const FETCH_STALE_MS = 30_000;
/** A stop waits so long for a Redis that is away, and looks so often whether it is, ms. */
const GIVE_UP_MS = 2_000;
const LOOK_MS = 100;
/** Which share of a stop's deadline the current batches have to commit or go back. */
const BATCHES_SHARE = 0.8;

export interface WorkerDependencies {
  keys: Keys;
  /** Fail-fast connection for the keys of the fleet. */
  redis: Redis;
  connections: RedisConnections;
  contexts: ProviderContext[];
  /** Shut while Redis is in trouble. */
  gate: TroubleGate;
  /** What every worker does for the fleet beside its batches. */
  fleet: FleetServices;
  /** Takes the jobs of the queue `runs` too; only for workers of all providers. */
  takesRuns: boolean;
  runsQueue: RunsQueue;
  schedulePlan: SchedulePlan;
  /** Keeps the fleet's schedules. */
  schedules: FleetSchedules | undefined;
  registry: WorkerRegistry;
  pool: PermitPool;
  /** The batches at work of all workers of this process. */
  active: ActiveBatches;
  /** Batches of one provider in this process at once, the prefetched one included. */
  concurrency: number;
  waitScale: number;
  version: string;
  logger: Logger;
}

export class BatchWorker {
  readonly id: string;
  readonly onShutdown: OnShutdown;
  readonly #deps: WorkerDependencies;
  readonly #logger: Logger;
  readonly #queues: readonly ConsumedQueue[];
  readonly #consumers: Consumers;
  readonly #hooks = new ShutdownHooks();
  readonly #maintenance: Maintenance;
  readonly #reporter: LoadReporter;
  readonly #heartbeat: Heartbeat;
  /** Batches that a stop could not give back, because Redis was away. */
  #stranded: string[] = [];
  #stopping: Promise<StopReport> | undefined;
  #unwatch = (): void => undefined;

  constructor(given: WorkerDependencies) {
    const id = `w-${randomUUID().slice(0, 8)}`;
    this.id = id;
    // What this worker measures of itself is its own, also where several work in one process.
    const buffer = { records: 0 };
    const reporter = given.fleet.makeReporter(id, buffer);
    const contexts = given.contexts.map((context) => ({ ...context, reporter, buffer }));
    const deps = { ...given, contexts };
    const { redis, registry, version } = deps;
    this.#reporter = reporter;
    this.#deps = deps;
    this.#logger = deps.logger.child({ worker: id });
    const logger = this.#logger;
    this.onShutdown = this.#hooks.add;
    this.#queues = queuesOf(deps, logger);
    this.#consumers = new Consumers({ ...deps, workerId: id, queues: this.#queues, logger });
    const { consumers } = this.#consumers;
    this.#maintenance = new Maintenance({
      ...{ ...deps, workerId: id, consumers, logger },
      runsQueue: deps.takesRuns ? deps.runsQueue : undefined,
    });
    this.#heartbeat = new Heartbeat({
      ...{ registry, redis, id, version },
      lockOwners: consumers.map((consumer) => consumer.lockOwner),
      serves: { providers: contexts.map(({ provider }) => provider.name), runs: deps.takesRuns },
      measured: () => ({
        activeBatches: this.#batches().length,
        lastFetchAgeMs: this.#consumers.fetchAgeMs(),
      }),
    });
  }

  /** Takes batches from the moment it resolves. One that cannot start leaves nothing behind. */
  async start(): Promise<void> {
    const { gate, contexts, fleet, connections } = this.#deps;
    try {
      await this.#heartbeat.start();
      for (const queue of this.#queues) await boundEvents(connections.of(queue.prefix), queue);
      await this.#maintenance.reconcile();
      // Stopped before it took anything.
      if (this.#stopping !== undefined) return;
      this.#unwatch = watchTrouble(gate, this.#consumers.consumers, contexts);
      this.#consumers.run();
      this.#maintenance.start();
      await fleet.start(this.id, this.#reporter);
    } catch (error) {
      await this.stop({ deadlineMs: LOCK_MS });
      throw error;
    }
    if (this.#stopping !== undefined) return;
    this.#heartbeat.enter("ready");
    this.#logger.info({ event: "worker_ready" }, "taking batches");
  }

  report(): WorkerReport {
    const { state } = this.#heartbeat;
    const ageMs = this.#consumers.fetchAgeMs();
    const { trouble } = this.#deps.gate;
    const stale = ageMs > FETCH_STALE_MS && this.#heartbeat.answersForMs() > FETCH_STALE_MS;
    const reasons = [
      ...(state === "ready" ? [] : [`the worker is ${state}`]),
      ...(this.#heartbeat.redisAnswers() ? [] : ["Redis does not answer"]),
      ...(trouble === undefined ? [] : [trouble.message]),
      ...(stale ? [`a queue was last heard of ${Math.round(ageMs / 1000)} s ago, though Redis answers`] : []),
    ];
    return { state, live: !stale, ready: reasons.length === 0, reasons };
  }

  /** Not ready at once, no new batches; the current ones commit or go back without spending an attempt. Never rejects. */
  stop(options: StopOptions = {}): Promise<StopReport> {
    this.#stopping ??= this.#stop(options.deadlineMs ?? STOP_DEADLINE_MS);
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<StopReport> {
    const { fleet, pool } = this.#deps;
    this.#heartbeat.enter("stopping");
    this.#unwatch();
    const stopped = this.#consumers.stop(new UeeError("SYS_SHUTDOWN"));
    const mended = this.#maintenance.stop();
    const report = await shutDown(
      [
        {
          name: "batches",
          timeoutMs: deadlineMs * BATCHES_SHARE,
          run: () => this.#unlessAway(stopped),
          left: () => [
            ...this.#stranded.map((key) => `batch ${key}: Redis is away; its lock expires`),
            ...this.#batches().map((key) => `batch ${key}: did not let go; its lock expires`),
          ],
        },
        { name: "repairs", timeoutMs: 1_000, run: () => mended },
        { name: "permits", timeoutMs: 2_000, run: () => pool.settled() },
        { name: "heartbeat", timeoutMs: 1_000, run: () => this.#heartbeat.withdraw() },
        { name: "fleet services", timeoutMs: 2_000, run: () => fleet.stop(this.id) },
        ...this.#hooks.steps(),
      ],
      { deadlineMs, logger: this.#logger },
    );
    this.#consumers.disconnect();
    return report;
  }

  /**
   * Nothing can be given back to a Redis that is away: when it has been so for a while, what waits for it ends, and its
   * batch is left to the lock's end.
   */
  async #unlessAway(stopped: Promise<void>): Promise<void> {
    let done = false;
    const ended = stopped.then(() => {
      done = true;
    });
    let since = performance.now();
    while (!done && performance.now() - since < GIVE_UP_MS) {
      // In a cluster the server of one queue may be away, and that of the heartbeats not.
      const well = this.#heartbeat.redisAnswers() && this.#deps.gate.trouble === undefined;
      if (well) since = performance.now();
      await Promise.race([ended, sleep(LOOK_MS)]);
    }
    if (done) return;
    this.#stranded = this.#batches();
    this.#consumers.giveUp();
    // Not for BullMQ to have closed: it would wait for connections to end that are between two attempts.
    while (this.#batches().length > 0) await sleep(LOOK_MS);
  }

  /** The batches at work, without the jobs of the queue `runs`. */
  #batches(): string[] {
    return this.#consumers.atWork(...this.#deps.contexts.map(({ runs }) => runs.keys.queue.name));
  }
}

function queuesOf(deps: WorkerDependencies, logger: Logger): ConsumedQueue[] {
  const { contexts, concurrency, schedulePlan, gate, keys } = deps;
  const queues = contexts.map((context): ConsumedQueue => {
    const processor = new BatchProcessor(context);
    return { ...context.runs.keys.queue, concurrency, process: (...args) => processor.process(...args) };
  });
  if (!deps.takesRuns) return queues;
  const process = runsConsumer({ contexts, plan: schedulePlan, gate, logger });
  return [...queues, { ...keys.runsQueue, concurrency: RUNS_CONCURRENCY, process }];
}
