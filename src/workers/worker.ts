/**
 * A worker: takes batches of the providers' queues and jobs of the `runs` queue until it is stopped.
 *
 * BullMQ's lock lives 9 s and the stalled check runs every 4 s, the same in every pod: they share one throttle. A worker
 * that loses a lock aborts that job's signal; the store refuses what it might still write. Stall counts never fail a
 * batch.
 */
import { randomUUID } from "node:crypto";
import { type Job, Worker, type WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import { releaseDeadHolders } from "../recovery/deadHolders.ts";
import { Reconciler } from "../recovery/reconciler.ts";
import { WorkerRegistry } from "../recovery/workerRegistry.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Keys } from "../redis/keys.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { ProviderContext } from "./context.ts";
import type { FleetDuties } from "./fleetDuties.ts";
import { sweepLeftovers } from "./leftovers.ts";
import { backoffMs } from "./outcome.ts";
import { BatchProcessor } from "./processor.ts";
import { RunsConsumer } from "./runsConsumer.ts";
import type { ScheduleDuty } from "./scheduleDuty.ts";
import { LOCK_MS } from "./throughTrouble.ts";
import { watchTrouble } from "./troubleWatch.ts";

const STALLED_CHECK_MS = 4_000;
/** Stalls are the fleet's troubles, never the batch's: no count of them fails it. */
const NO_STALL_LIMIT = 1_000_000_000;
const RECONCILE_MS = 15_000;
/** How often jobs of processes that are known to be dead are looked for: two small reads when there are none. */
const DEAD_HOLDERS_MS = 2_000;
/** How often a process with batches at work asks whether somebody paused or stopped them. */
const HEED_MS = 1_000;
/** How long a stop waits for the current batches to commit or go back. */
const STOP_DEADLINE_MS = 25_000;

export interface WorkerDependencies {
  keys: Keys;
  /** Fail-fast connection for scripts. */
  redis: Redis;
  /** A fresh connection that waits for ever. */
  openBlocking(): Redis;
  contexts: ProviderContext[];
  /** Shut while Redis is in trouble. */
  gate: TroubleGate;
  /** What every worker does for the fleet beside its batches. */
  fleet: FleetDuties;
  /** Takes the jobs of the queue `runs` too; only for workers of all providers. */
  takesRuns: boolean;
  schedulePlan: SchedulePlan;
  /** Keeps the fleet's schedules. */
  schedules: ScheduleDuty | undefined;
  /** Batches of one provider in this process at once, the prefetched one included. */
  concurrency: number;
  waitScale: number;
  logger: Logger;
}

export class BatchWorker {
  readonly id: string;
  readonly #deps: WorkerDependencies;
  readonly #logger: Logger;
  readonly #registry: WorkerRegistry;
  readonly #workers: Worker[] = [];
  readonly #connections: Redis[] = [];
  readonly #aborts = new Map<string, AbortController>();
  readonly #reconcilers: Reconciler[];
  #timer: NodeJS.Timeout | undefined;
  #deadHoldersTimer: NodeJS.Timeout | undefined;
  #heedTimer: NodeJS.Timeout | undefined;
  #reconciling: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #unwatch = (): void => undefined;

  constructor(deps: WorkerDependencies) {
    this.id = `w-${randomUUID().slice(0, 8)}`;
    this.#deps = deps;
    this.#logger = deps.logger.child({ worker: this.id });
    this.#registry = new WorkerRegistry(deps.redis, deps.keys);
    this.#reconcilers = deps.contexts.map((c) => new Reconciler(c.runs, c.queue, this.#logger));
  }

  async start(): Promise<void> {
    for (const context of this.#deps.contexts) this.#addProvider(context);
    if (this.#deps.takesRuns) this.#addRuns();
    await this.#registry.register({
      id: this.id,
      startedAt: new Date().toISOString(),
      lockOwners: this.#workers.map((worker) => worker.id),
    });
    await this.reconcile();
    this.#unwatch = watchTrouble({
      gate: this.#deps.gate,
      workers: this.#workers,
      contexts: this.#deps.contexts,
    });
    for (const worker of this.#workers) void this.#run(worker);
    this.#timer = setInterval(() => {
      this.#reconciling = this.reconcile();
    }, RECONCILE_MS);
    this.#timer.unref();
    this.#deadHoldersTimer = setInterval(() => {
      void this.#quietly(() => this.#releaseDeadHolders());
    }, DEAD_HOLDERS_MS);
    this.#deadHoldersTimer.unref();
    this.#heedTimer = setInterval(() => {
      void this.#quietly(() => this.#heedPeople());
    }, HEED_MS);
    this.#heedTimer.unref();
    await this.#deps.fleet.start(this.id, this.#deps.contexts);
    this.#logger.info({ event: "worker_ready" }, "taking batches");
  }

  /** Mends what disagrees and frees the jobs of the certainly dead. Safe at any time, from any number of pods. */
  async reconcile(): Promise<void> {
    await this.#quietly(async () => {
      await this.#releaseDeadHolders();
      for (const reconciler of this.#reconcilers) await reconciler.runOnce();
      for (const context of this.#deps.contexts) {
        const { governor, provider } = context;
        const swept = await sweepLeftovers(context);
        const repairs = [...(await governor.align()), ...swept.map((runId) => `leftovers of ${runId}`)];
        for (const repair of repairs) {
          this.#logger.warn({ event: "repair", provider: provider.name, repair }, `repaired: ${repair}`);
        }
      }
    });
    await this.#quietly(async () => this.#deps.schedules?.keep(this.id));
  }

  async #releaseDeadHolders(): Promise<void> {
    for (const { name, released } of await releaseDeadHolders(
      this.#deps.redis,
      this.#registry,
      this.#workers,
    )) {
      this.#logger.warn({ event: "repair", queue: name, released }, "took jobs back from a dead process");
    }
  }

  /** A person paused or stopped a provider: its batches in this process end at their next safe point. */
  async #heedPeople(): Promise<void> {
    for (const { governor, runs } of this.#deps.contexts) {
      const running = [...this.#aborts].filter(([key]) => key.startsWith(`${runs.keys.queue.name}/`));
      if (running.length === 0) continue;
      const reason = await governor.mustStop();
      if (reason) for (const [, abort] of running) abort.abort(reason);
    }
  }

  /** The next round tries again; a batch in work has its own errors. */
  async #quietly(repairs: () => Promise<void>): Promise<void> {
    const { gate } = this.#deps;
    if (gate.trouble !== undefined) return;
    try {
      await repairs();
    } catch (error) {
      if (gate.met(error)) return;
      const { code, message } = mapRedisError(error);
      this.#logger.warn({ event: "reconcile_failed", code }, message);
    }
  }

  /** Takes no new batches; the current ones commit or go back without spending an attempt. */
  stop(options: { deadlineMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.deadlineMs ?? STOP_DEADLINE_MS);
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#deadHoldersTimer);
    clearInterval(this.#heedTimer);
    this.#unwatch();
    const closing = Promise.all(this.#workers.map((worker) => worker.close()));
    for (const abort of this.#aborts.values()) abort.abort(new UeeError("SYS_SHUTDOWN"));
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), deadlineMs);
    });
    const how = await Promise.race([closing, this.#reconciling.then(() => closing), deadline]);
    clearTimeout(timer);
    if (how === "late") {
      this.#logger.warn({ event: "stop_late" }, "batches did not let go in time; their locks expire");
      await Promise.allSettled(this.#workers.map((worker) => worker.close(true)));
    }
    await this.#registry.unregister().catch(() => undefined);
    await this.#deps.fleet.stop(this.id, this.#deps.contexts);
    for (const connection of this.#connections) connection.disconnect();
  }

  #options(name: string, prefix: string, concurrency: number): WorkerOptions {
    const connection = this.#deps.openBlocking();
    this.#connections.push(connection);
    return {
      connection,
      prefix,
      name,
      autorun: false,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: NO_STALL_LIMIT,
      runRetryDelay: 1_000,
      settings: { backoffStrategy: (made) => backoffMs(made, this.#deps.waitScale) },
    };
  }

  #addProvider(context: ProviderContext): void {
    const { name, prefix } = context.runs.keys.queue;
    const processor = new BatchProcessor(context);
    this.#addWorker(name, prefix, this.#deps.concurrency, (...args) => processor.process(...args));
  }

  #addRuns(): void {
    const { name, prefix } = this.#deps.keys.runsQueue;
    const { contexts, schedulePlan, gate } = this.#deps;
    const consumer = new RunsConsumer(contexts, schedulePlan, gate, this.#logger);
    this.#addWorker(name, prefix, 4, (...args) => consumer.process(...args));
  }

  #addWorker(
    name: string,
    prefix: string,
    concurrency: number,
    process: (job: Job, token: string, signal: AbortSignal) => Promise<never>,
  ): void {
    // Three plain parameters: BullMQ looks at the function's length before it hands out a signal.
    const worker = new Worker(
      name,
      async (job, token, lockSignal) => {
        const { signal, done } = this.#signalFor(name, job, lockSignal);
        try {
          return await process(job, token as string, signal);
        } finally {
          done();
        }
      },
      this.#options(this.id, prefix, concurrency),
    );
    this.#watch(worker);
    this.#workers.push(worker);
  }

  /** Aborts with the reason: the lock is lost, or the process shuts down. */
  #signalFor(
    queue: string,
    job: Job,
    lockSignal: AbortSignal | undefined,
  ): { signal: AbortSignal; done: () => void } {
    const key = `${queue}/${job.id}`;
    const abort = new AbortController();
    const lost = () => abort.abort(new UeeError("RPC_LOCK_LOST"));
    lockSignal?.addEventListener("abort", lost, { once: true });
    if (this.#stopping !== undefined) abort.abort(new UeeError("SYS_SHUTDOWN"));
    // A second copy of the same job keeps its own controller; the first one's was aborted when its lock was lost.
    this.#aborts.set(key, abort);
    return {
      signal: abort.signal,
      done: () => {
        lockSignal?.removeEventListener("abort", lost);
        if (this.#aborts.get(key) === abort) this.#aborts.delete(key);
      },
    };
  }

  #watch(worker: Worker): void {
    worker.on("lockRenewalFailed", (jobIds: string[]) => {
      for (const id of jobIds) worker.cancelJob(id, "lock lost");
    });
    worker.on("error", (error) => {
      this.#deps.gate.met(error);
      const mapped = mapRedisError(error);
      this.#logger.debug({ event: "queue_error", queue: worker.name, code: mapped.code }, mapped.message);
    });
  }

  async #run(worker: Worker): Promise<void> {
    try {
      await worker.run();
    } catch (error) {
      if (this.#stopping === undefined)
        this.#logger.error({ event: "queue_stopped", err: error }, "a queue's loop ended");
    }
  }
}
