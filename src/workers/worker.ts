/**
 * A worker: takes batches of the providers' queues and jobs of the `runs` queue until it is stopped.
 *
 * BullMQ's lock lives 9 s and the stalled check runs every 4 s, the same in every pod: they share one throttle. A worker
 * that loses a lock aborts that job's signal; the store refuses what it might still write. Stall counts never fail a
 * batch.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job, WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { OnShutdown, StopOptions, StopReport, WorkerReport } from "../engine/apiWorkers.ts";
import type { PermitPool } from "../permits/permitPool.ts";
import { boundEvents } from "../queues/eventsBound.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Keys } from "../redis/keys.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { abortable } from "../upstream/abortable.ts";
import { type ActiveBatches, keyOf } from "./activeBatches.ts";
import type { ProviderContext } from "./context.ts";
import type { FleetDuties } from "./fleetDuties.ts";
import { Heartbeat } from "./heartbeat.ts";
import { backoffMs } from "./outcome.ts";
import { BatchProcessor } from "./processor.ts";
import { QueueWorker } from "./queueWorker.ts";
import { RunsConsumer } from "./runsConsumer.ts";
import type { ScheduleDuty } from "./scheduleDuty.ts";
import { settle } from "./settle.ts";
import { ShutdownHooks, STOP_DEADLINE_MS, shutDown } from "./shutdown.ts";
import { LOCK_MS, throughTrouble } from "./throughTrouble.ts";
import { watchTrouble } from "./troubleWatch.ts";
import { Upkeep } from "./upkeep.ts";

const STALLED_CHECK_MS = 4_000;
/** Stalls are the fleet's troubles, never the batch's: no count of them fails it. */
const NO_STALL_LIMIT = 1_000_000_000;
/** A batch whose older copy has not settled comes back so much later. */
const REENTRY_MS = 1_000;
/** A queue that Redis, being well, has not answered for so long never will. */
const FETCH_STALE_MS = 30_000;
/** A stop waits so long for a Redis that is away, and looks so often whether it is, ms. */
const GIVE_UP_MS = 2_000;
const LOOK_MS = 100;
/** Which share of a stop's deadline the current batches have to commit or go back. */
const BATCHES_SHARE = 0.8;

type Process = (job: Job, token: string, signal: AbortSignal) => Promise<never>;

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
  registry: WorkerRegistry;
  pool: PermitPool;
  /** Of all workers of this process. */
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
  readonly #workers: QueueWorker[] = [];
  readonly #connections: Redis[] = [];
  readonly #hooks = new ShutdownHooks();
  readonly #upkeep: Upkeep;
  readonly #heartbeat: Heartbeat;
  /** Keys of the jobs that this worker took, among those of the process. */
  readonly #mine = new Set<string>();
  /** Aborted when a stop no longer waits for Redis; and the batches that it then could not give back. */
  readonly #gaveUp = new AbortController();
  #stranded: string[] = [];
  #stopping: Promise<StopReport> | undefined;
  #unwatch = (): void => undefined;

  constructor(deps: WorkerDependencies) {
    const { redis, registry, contexts } = deps;
    this.id = `w-${randomUUID().slice(0, 8)}`;
    this.#deps = deps;
    this.#logger = deps.logger.child({ worker: this.id });
    this.onShutdown = this.#hooks.add;
    for (const context of contexts) this.#addProvider(context);
    if (deps.takesRuns) this.#addRuns();
    const workers = this.#workers;
    this.#upkeep = new Upkeep({ ...deps, workerId: this.id, workers, logger: this.#logger });
    this.#heartbeat = new Heartbeat({
      registry,
      redis,
      id: this.id,
      version: deps.version,
      lockOwners: workers.map((worker) => worker.id),
      serves: { providers: contexts.map(({ provider }) => provider.name), runs: deps.takesRuns },
      measured: () => ({ activeBatches: this.#batches().length, lastFetchAgeMs: this.#fetchAgeMs() }),
    });
  }

  /** Takes batches from the moment it resolves. One that cannot start leaves nothing behind. */
  async start(): Promise<void> {
    try {
      await this.#heartbeat.start();
      await boundEvents(this.#deps.redis, this.#queues());
      await this.#upkeep.reconcile();
      const { gate, contexts } = this.#deps;
      this.#unwatch = watchTrouble({ gate, workers: this.#workers, contexts });
      for (const worker of this.#workers) void this.#run(worker);
      this.#upkeep.start();
      await this.#deps.fleet.start(this.id, contexts);
    } catch (error) {
      await this.stop({ deadlineMs: LOCK_MS });
      throw error;
    }
    if (this.#stopping !== undefined) return;
    this.#heartbeat.enter("ready");
    this.#logger.info({ event: "worker_ready" }, "taking batches");
  }

  #queues(): { prefix: string; name: string }[] {
    const { contexts, keys, takesRuns } = this.#deps;
    return [...contexts.map(({ runs }) => runs.keys.queue), ...(takesRuns ? [keys.runsQueue] : [])];
  }

  report(): WorkerReport {
    const { state } = this.#heartbeat;
    const ageMs = this.#fetchAgeMs();
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
    const { fleet, contexts, pool } = this.#deps;
    this.#heartbeat.enter("stopping");
    this.#unwatch();
    const closing = Promise.all(this.#workers.map((worker) => worker.close()));
    const mended = this.#upkeep.stop();
    for (const key of this.#mine) this.#deps.active.abort(key, new UeeError("SYS_SHUTDOWN"));
    const report = await shutDown(
      [
        {
          name: "batches",
          timeoutMs: deadlineMs * BATCHES_SHARE,
          run: () => this.#unlessAway(closing),
          left: () => [
            ...this.#stranded.map((key) => `batch ${key}: Redis is away; its lock expires`),
            ...this.#batches().map((key) => `batch ${key}: did not let go; its lock expires`),
          ],
        },
        { name: "repairs", timeoutMs: 1_000, run: () => mended },
        { name: "permits", timeoutMs: 2_000, run: () => pool.settled() },
        { name: "heartbeat", timeoutMs: 1_000, run: () => this.#heartbeat.withdraw() },
        { name: "fleet duties", timeoutMs: 2_000, run: () => fleet.stop(this.id, contexts) },
        ...this.#hooks.steps(),
      ],
      { deadlineMs, logger: this.#logger },
    );
    for (const connection of this.#connections) connection.disconnect();
    return report;
  }

  /**
   * Nothing can be given back to a Redis that is away: when it has been so for a while, what waits for it ends, and its
   * batch is left to the lock's end.
   */
  async #unlessAway(closing: Promise<unknown>): Promise<void> {
    let closed = false;
    const ended = closing.finally(() => {
      closed = true;
    });
    let since = performance.now();
    while (!closed && performance.now() - since < GIVE_UP_MS) {
      if (this.#heartbeat.redisAnswers()) since = performance.now();
      await Promise.race([ended, sleep(LOOK_MS)]);
    }
    if (closed) return;
    this.#stranded = this.#batches();
    this.#gaveUp.abort(new UeeError("SYS_REDIS_UNREACHABLE"));
    // Not for BullMQ to have closed: it would wait for connections to end that are between two attempts.
    while (this.#batches().length > 0) await sleep(LOOK_MS);
  }

  /** Keys of the batches at work, without the jobs of the queue `runs`. */
  #batches(): string[] {
    return [...this.#mine].filter((key) => !key.startsWith(keyOf(this.#deps.keys.runsQueue.name, "")));
  }

  /** Of the queue that was heard of longest ago. */
  #fetchAgeMs(): number {
    return Math.max(...this.#workers.map((worker) => worker.fetchAgeMs()));
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

  #addWorker(name: string, prefix: string, concurrency: number, process: Process): void {
    // Three plain parameters: BullMQ looks at the function's length before it hands out a signal.
    const worker: QueueWorker = new QueueWorker(
      name,
      (job, token, lockSignal) =>
        worker.occupying(() => this.#take(name, process, job, token as string, lockSignal)),
      this.#options(this.id, prefix, concurrency),
    );
    worker.onLetGo = (job, token) => {
      const key = keyOf(name, job.id as string);
      if (this.#deps.active.settled(key, token)) this.#mine.delete(key);
    };
    this.#watch(worker);
    this.#workers.push(worker);
  }

  /** Works under a signal that fires with the reason: the lock is lost, the process shuts down, a person stopped it. */
  async #take(
    queue: string,
    process: Process,
    job: Job,
    token: string,
    lockSignal: AbortSignal | undefined,
  ): Promise<never> {
    const key = keyOf(queue, job.id as string);
    const abort = this.#deps.active.begin(key, token);
    if (abort === undefined) return await this.#refuse(job, token);
    this.#mine.add(key);
    const lost = () => abort.abort(new UeeError("RPC_LOCK_LOST"));
    lockSignal?.addEventListener("abort", lost, { once: true });
    if (this.#stopping !== undefined) abort.abort(new UeeError("SYS_SHUTDOWN"));
    try {
      return await abortable(process(job, token, abort.signal), this.#gaveUp.signal);
    } catch (thrown) {
      if (!this.#gaveUp.signal.aborted) throw thrown;
      return await settle({ kind: "abandon", error: mapRedisError(thrown) }, job, token);
    } finally {
      lockSignal?.removeEventListener("abort", lost);
    }
  }

  /** Its older copy has not settled in this process. */
  #refuse(job: Job, token: string): Promise<never> {
    const error = new UeeError("RPC_REENTRY");
    this.#logger.warn({ event: "batch_reentry", jobId: job.id, code: error.code }, error.message);
    return throughTrouble({
      gate: this.#deps.gate,
      job,
      token,
      signal: new AbortController().signal,
      work: async () => ({ kind: "defer", delayMs: REENTRY_MS, error }),
    });
  }

  #watch(worker: QueueWorker): void {
    worker.on("lockRenewalFailed", (jobIds: string[]) => {
      for (const id of jobIds) worker.cancelJob(id, "lock lost");
    });
    worker.on("error", (error) => {
      this.#deps.gate.met(error);
      const mapped = mapRedisError(error);
      this.#logger.debug({ event: "queue_error", queue: worker.name, code: mapped.code }, mapped.message);
    });
  }

  async #run(worker: QueueWorker): Promise<void> {
    try {
      await worker.run();
    } catch (error) {
      if (this.#stopping === undefined)
        this.#logger.error({ event: "queue_stopped", err: error }, "a queue's loop ended");
    }
  }
}
