/**
 * Takes the jobs of a worker's queues, one BullMQ worker each, and hands every one of them to its process with a signal
 * that fires with the reason: the lock is lost, the worker stops, a person stopped it.
 *
 * BullMQ's lock lives 9 s and the stalled check runs every 4 s, the same in every pod: they share one throttle. Who loses
 * a lock has that job's signal aborted; the store refuses what it might still write. Stall counts never fail a job.
 */
import type { Job } from "bullmq";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { abortable } from "../upstream/abortable.ts";
import { type ActiveBatches, keyOf } from "./activeBatches.ts";
import { QueueWorker } from "./queueWorker.ts";
import { decidedBackoffMs, settle } from "./settle.ts";
import { LOCK_MS, throughTrouble } from "./throughTrouble.ts";

export const STALLED_CHECK_MS = 4_000;
/** Stalls are the fleet's troubles, never the batch's: no count of them fails it. */
const NO_STALL_LIMIT = 1_000_000_000;
/** A job whose older copy has not settled comes back so much later. */
const REENTRY_MS = 1_000;

export type Process = (job: Job, token: string, signal: AbortSignal) => Promise<never>;

export interface TakenQueue {
  name: string;
  prefix: string;
  /** Jobs of it in this worker at once. */
  concurrency: number;
  process: Process;
}

export interface QueueTakerOptions {
  workerId: string;
  queues: readonly TakenQueue[];
  /** A fresh connection that waits for ever. */
  openBlocking(): Redis;
  /** Shut while Redis is in trouble. */
  gate: TroubleGate;
  /** Of all workers of this process. */
  active: ActiveBatches;
  waitScale: number;
  logger: Logger;
}

export class QueueTaker {
  readonly workers: readonly QueueWorker[];
  readonly #o: QueueTakerOptions;
  readonly #connections: Redis[] = [];
  /** Keys of the jobs that this worker took, among those of the process. */
  readonly #mine = new Set<string>();
  /** Aborted when nobody waits for Redis any more. */
  readonly #gaveUp = new AbortController();
  #stopping = false;

  constructor(options: QueueTakerOptions) {
    this.#o = options;
    this.workers = options.queues.map((queue) => this.#open(queue));
  }

  run(): void {
    for (const worker of this.workers) void this.#run(worker);
  }

  /** Takes nothing more and tells what is at work to end. Resolves when BullMQ has closed. */
  async stop(reason: UeeError): Promise<void> {
    this.#stopping = true;
    const closing = this.workers.map((worker) => worker.close());
    for (const key of this.#mine) this.#o.active.abort(key, reason);
    await Promise.allSettled(closing);
  }

  /** What still waits for Redis ends without a word to its queue. */
  giveUp(): void {
    this.#gaveUp.abort(new UeeError("SYS_REDIS_UNREACHABLE"));
  }

  disconnect(): void {
    for (const connection of this.#connections) connection.disconnect();
  }

  /** Jobs at work, as `queue/id`; of all queues, or of those that are named. */
  atWork(...names: string[]): string[] {
    const keys = [...this.#mine];
    return names.length === 0 ? keys : keys.filter((key) => names.some((n) => key.startsWith(keyOf(n, ""))));
  }

  /** Of the queue that was heard of longest ago, ms. */
  fetchAgeMs(): number {
    return Math.max(0, ...this.workers.map((worker) => worker.fetchAgeMs()));
  }

  #open({ name, prefix, concurrency, process }: TakenQueue): QueueWorker {
    const { workerId, openBlocking, waitScale } = this.#o;
    const connection = openBlocking();
    this.#connections.push(connection);
    // Three plain parameters: BullMQ looks at the function's length before it hands out a signal.
    const worker: QueueWorker = new QueueWorker(
      name,
      (job, token, lockSignal) =>
        worker.occupying(() => this.#take(name, process, job, token as string, lockSignal)),
      {
        connection,
        prefix,
        name: workerId,
        autorun: false,
        concurrency,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_CHECK_MS,
        maxStalledCount: NO_STALL_LIMIT,
        runRetryDelay: 1_000,
        settings: { backoffStrategy: (made, _type, error) => decidedBackoffMs(made, error, waitScale) },
      },
    );
    worker.onLetGo = (job, token) => {
      const key = keyOf(name, job.id as string);
      if (this.#o.active.settled(key, token)) this.#mine.delete(key);
    };
    worker.on("lockRenewalFailed", (jobIds: string[]) => {
      for (const id of jobIds) worker.cancelJob(id, "lock lost");
    });
    worker.on("error", (error) => {
      this.#o.gate.met(error);
      const mapped = mapRedisError(error);
      this.#o.logger.debug({ event: "queue_error", queue: name, code: mapped.code }, mapped.message);
    });
    return worker;
  }

  async #take(
    queue: string,
    process: Process,
    job: Job,
    token: string,
    lockSignal: AbortSignal | undefined,
  ): Promise<never> {
    const key = keyOf(queue, job.id as string);
    const abort = this.#o.active.begin(key, token);
    if (abort === undefined) return await this.#refuse(job, token);
    this.#mine.add(key);
    const lost = () => abort.abort(new UeeError("RPC_LOCK_LOST"));
    lockSignal?.addEventListener("abort", lost, { once: true });
    if (this.#stopping) abort.abort(new UeeError("SYS_SHUTDOWN"));
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
    const { gate, logger } = this.#o;
    const error = new UeeError("RPC_REENTRY");
    logger.warn({ event: "batch_reentry", jobId: job.id, code: error.code }, error.message);
    return throughTrouble({
      gate,
      job,
      token,
      signal: this.#gaveUp.signal,
      work: async () => ({ kind: "defer", delayMs: REENTRY_MS, error }),
    });
  }

  async #run(worker: QueueWorker): Promise<void> {
    try {
      await worker.run();
    } catch (error) {
      if (!this.#stopping)
        this.#o.logger.error({ event: "queue_stopped", err: error }, "a queue's loop ended");
    }
  }
}
