/** Takes jobs from one queue and gives each to a function, with a signal that fires when the job's lock is lost. */
import { type Job, type JobJson, type Processor, WaitingError, Worker, type WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";
import type { QueueAddress } from "./bullmqQueue.ts";
import { dropLocksOf, LOCK_MS, STALLED_CHECK_MS, shortenLocks } from "./locks.ts";
import { RetryError, TakenJob } from "./takenJob.ts";

/** A stall is a fault of the fleet, never of the job: no number of stalls fails a job. */
const NO_STALL_LIMIT = 1_000_000_000;

/**
 * BullMQ's worker, which measures the age of its last fetch and reports when it has released a job.
 *
 * A worker can be silently dead: its blocking client has ended without an error, and it still counts as running. The only
 * reliable sign of life is that its loop asks the queue and gets answers.
 */
export class QueueWorker extends Worker {
  /** Called when BullMQ has nothing more to do with this copy of a job, lock renewal included. */
  onReleased: (job: Job, token: string) => void = () => undefined;
  /** On the monotonic clock, ms: when the queue last answered, or a slot last became free to ask for more. */
  #heard = performance.now();
  #occupied = 0;

  constructor(name: string, processor: Processor, options: WorkerOptions) {
    super(name, processor, options);
    this.on("resumed", () => {
      this.#heard = performance.now();
    });
  }

  /** Does a job's work: while every slot is at it there is nothing to fetch. */
  async occupying<T>(work: () => Promise<T>): Promise<T> {
    this.#occupied++;
    try {
      return await work();
    } finally {
      this.#occupied--;
      this.#heard = performance.now();
    }
  }

  /** Since the queue last answered a fetch, ms; 0 while there is no slot to fetch for, or nothing shall be fetched. */
  fetchAgeMs(): number {
    const idle = this.isPaused() || this.#occupied >= this.concurrency;
    return idle ? 0 : performance.now() - this.#heard;
  }

  /** BullMQ calls this with every answer to a fetch, also with an empty one. */
  protected override nextJobFromJobData(data?: JobJson, id?: string, token?: string): Promise<Job> {
    this.#heard = performance.now();
    return super.nextJobFromJobData(data, id, token);
  }

  override async processJob(...[job, token, fetchNext]: Parameters<Worker["processJob"]>) {
    try {
      return await super.processJob(job, token, fetchNext);
    } finally {
      this.onReleased(job, token);
    }
  }
}

export interface ConsumerOptions {
  queue: QueueAddress;
  /** Shown in Bull Board beside the jobs that it takes. */
  workerId: string;
  /** Used by this consumer alone; commands on it wait until Redis is there. */
  connection: Redis;
  /** Fails fast. */
  commands: Redis;
  /** Jobs at work at once. */
  concurrency: number;
  /** Does the work and reports its outcome. What it throws fails the job. */
  process(job: TakenJob, lockLost: AbortSignal | undefined): Promise<void>;
  /** Wait before the next attempt where none was decided, ms; `made` attempts were made so far. */
  backoffMs(made: number): number;
  /** BullMQ has nothing more to do with this copy of a job, lock renewal included. */
  onReleased(job: TakenJob): void;
  onError(error: Error): void;
}

export class QueueConsumer {
  readonly queue: QueueAddress;
  readonly #worker: QueueWorker;
  readonly #commands: Redis;

  constructor(options: ConsumerOptions) {
    const { queue, workerId, connection, concurrency, process, backoffMs, onReleased, onError } = options;
    this.queue = queue;
    this.#commands = options.commands;
    // BullMQ hands out the signal only to a function that declares three parameters.
    const worker: QueueWorker = new QueueWorker(
      queue.name,
      async (job, token, lockLost) => {
        await worker.occupying(() => process(new TakenJob(job, token as string), lockLost));
        // Tells BullMQ that the job was moved already.
        throw new WaitingError();
      },
      {
        connection,
        prefix: queue.prefix,
        name: workerId,
        autorun: false,
        concurrency,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_CHECK_MS,
        maxStalledCount: NO_STALL_LIMIT,
        runRetryDelay: 1_000,
        settings: {
          backoffStrategy: (made, _type, error) =>
            (error instanceof RetryError ? error.delayMs : undefined) ?? backoffMs(made),
        },
      },
    );
    worker.onReleased = (job, token) => onReleased(new TakenJob(job, token));
    worker.on("lockRenewalFailed", (jobIds: string[]) => {
      for (const id of jobIds) worker.cancelJob(id, "lock lost");
    });
    worker.on("error", onError);
    this.#worker = worker;
  }

  /** The tokens of this consumer's locks begin with it. */
  get lockOwner(): string {
    return this.#worker.id;
  }

  /** Resolves when the consumer is closed. */
  run(): Promise<void> {
    return this.#worker.run();
  }

  /** Takes nothing more until `resume`. */
  pause(): void {
    void this.#worker.pause(true);
  }

  resume(): void {
    void this.#worker.resume();
  }

  /** Takes nothing more; resolves when the jobs at work have ended. */
  close(): Promise<void> {
    return this.#worker.close();
  }

  /** Since the queue last answered a fetch, ms; 0 while there is no slot to fetch for, or nothing shall be fetched. */
  fetchAgeMs(): number {
    return this.#worker.fetchAgeMs();
  }

  /** Gives the jobs of dead lock owners to the fleet at once. Returns how many. */
  async takeBackFrom(owners: readonly string[]): Promise<number> {
    const dropped = await dropLocksOf(this.#commands, this.queue, owners);
    if (dropped > 0) await this.#worker.getBackend().moveStalledJobsToWait();
    return dropped;
  }

  shortenLocks(): Promise<number> {
    return shortenLocks(this.#commands, this.queue);
  }
}
