/**
 * Takes the jobs of a worker's queues, one BullMQ worker each, and hands every one of them to its process with a signal
 * that fires with the reason: the lock is lost, the worker stops, a person stopped it.
 *
 * BullMQ's lock lives 9 s and the stalled check runs every 4 s, the same in every pod: they share one throttle. Who loses
 * a lock has that job's signal aborted; the store refuses what it might still write. Stall counts never fail a job.
 */
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { QueueConsumer } from "../queues/consumer.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import type { RedisConnections } from "../redis/connect.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { abortable } from "../upstream/abortable.ts";
import { backoffMs } from "./outcome.ts";
import { throughTrouble } from "./trouble.ts";

/** A job whose older copy has not settled comes back so much later. */
const REENTRY_MS = 1_000;

export type Process = (job: TakenJob, signal: AbortSignal) => Promise<void>;

export interface ConsumedQueue {
  name: string;
  prefix: string;
  /** Jobs of it in this worker at once. */
  concurrency: number;
  process: Process;
}

export interface ConsumersOptions {
  workerId: string;
  queues: readonly ConsumedQueue[];
  connections: Pick<RedisConnections, "of" | "open">;
  /** Shut while Redis is in trouble. */
  gate: TroubleGate;
  /** The batches at work of all workers of this process. */
  active: ActiveBatches;
  waitScale: number;
  logger: Logger;
}

export class Consumers {
  readonly consumers: readonly QueueConsumer[];
  readonly #o: ConsumersOptions;
  readonly #connections: Redis[] = [];
  /** Keys of the jobs that this worker took, among those of the process. */
  readonly #mine = new Set<string>();
  /** Aborted when jobs no longer wait for Redis. */
  readonly #gaveUp = new AbortController();
  #stopping = false;

  constructor(options: ConsumersOptions) {
    this.#o = options;
    this.consumers = options.queues.map((queue) => this.#open(queue));
  }

  run(): void {
    for (const consumer of this.consumers) void this.#run(consumer);
  }

  /** Takes nothing more and tells what is at work to end. Resolves when BullMQ has closed. */
  async stop(reason: UeeError): Promise<void> {
    this.#stopping = true;
    const closing = this.consumers.map((consumer) => consumer.close());
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

  /** Since the queue that answered least recently last answered, ms. */
  fetchAgeMs(): number {
    return Math.max(0, ...this.consumers.map((consumer) => consumer.fetchAgeMs()));
  }

  #open({ name, prefix, concurrency, process }: ConsumedQueue): QueueConsumer {
    const { workerId, connections, waitScale, active, gate, logger } = this.#o;
    const connection = connections.open("blocking", prefix);
    this.#connections.push(connection);
    return new QueueConsumer({
      queue: { name, prefix },
      workerId,
      connection,
      commands: connections.of(prefix),
      concurrency,
      process: (job, lockLost) => this.#take(name, process, job, lockLost),
      backoffMs: (made) => backoffMs(made, waitScale),
      onReleased: (job) => {
        const key = keyOf(name, job.id);
        if (active.settled(key, job.token)) this.#mine.delete(key);
      },
      onError: (error) => {
        gate.met(error);
        const mapped = mapRedisError(error);
        logger.debug({ event: "queue_error", queue: name, code: mapped.code }, mapped.message);
      },
    });
  }

  async #take(
    queue: string,
    process: Process,
    job: TakenJob,
    lockLost: AbortSignal | undefined,
  ): Promise<void> {
    const key = keyOf(queue, job.id);
    const abort = this.#o.active.begin(key, job.token);
    if (abort === undefined) return await this.#refuse(job);
    this.#mine.add(key);
    const lost = () => abort.abort(new UeeError("RPC_LOCK_LOST"));
    lockLost?.addEventListener("abort", lost, { once: true });
    if (this.#stopping) abort.abort(new UeeError("SYS_SHUTDOWN"));
    try {
      await abortable(process(job, abort.signal), this.#gaveUp.signal);
    } catch (thrown) {
      // The job is left until its lock ends.
      if (!this.#gaveUp.signal.aborted) throw thrown;
    } finally {
      lockLost?.removeEventListener("abort", lost);
    }
  }

  /** Its older copy has not settled in this process. */
  #refuse(job: TakenJob): Promise<void> {
    const { gate, logger } = this.#o;
    const error = new UeeError("RPC_REENTRY");
    logger.warn({ event: "batch_reentry", jobId: job.id, code: error.code }, error.message);
    return throughTrouble({
      gate,
      job,
      signal: this.#gaveUp.signal,
      work: async () => ({ kind: "defer", delayMs: REENTRY_MS, error }),
    });
  }

  async #run(consumer: QueueConsumer): Promise<void> {
    try {
      await consumer.run();
    } catch (error) {
      if (!this.#stopping)
        this.#o.logger.error({ event: "queue_stopped", err: error }, "a queue's loop ended");
    }
  }
}

/** Names a job; without an id, how the names of all of a queue's begin. */
export const keyOf = (queue: string, jobId: string): string => `${queue}/${jobId}`;

/**
 * The jobs that are at work in this process, whichever worker took them. BullMQ may hand out a job again whose first copy
 * still runs here (its lock was lost while the process was busy): the second copy is refused until the first has settled,
 * and the first, which has lost its lock for certain, is told to end.
 *
 * A copy has settled when BullMQ has released it: BullMQ renews locks by job id alone, and what it still does for an old
 * copy would undo the renewal of a new one's.
 */
export class ActiveBatches {
  readonly #running = new Map<string, { token: string; abort: AbortController }>();

  /**
   * @param token the copy's lock token
   * Undefined: an older copy has not settled.
   */
  begin(key: string, token: string): AbortController | undefined {
    const older = this.#running.get(key);
    if (older) {
      older.abort.abort(new UeeError("RPC_LOCK_LOST"));
      return undefined;
    }
    const abort = new AbortController();
    this.#running.set(key, { token, abort });
    return abort;
  }

  /** False: another copy than this one was at work. */
  settled(key: string, token: string): boolean {
    return this.#running.get(key)?.token === token && this.#running.delete(key);
  }

  get size(): number {
    return this.#running.size;
  }

  /** Tells one to end. */
  abort(key: string, reason: UeeError): void {
    this.#running.get(key)?.abort.abort(reason);
  }

  /** Those whose key begins so, with the way to end them. */
  under(prefix: string): AbortController[] {
    return [...this.#running].filter(([key]) => key.startsWith(prefix)).map(([, { abort }]) => abort);
  }
}
