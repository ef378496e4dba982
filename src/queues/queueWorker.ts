/**
 * BullMQ's worker, which measures the age of its last fetch and reports when it has released a job.
 *
 * A worker can be silently dead: its blocking client has ended without an error, and it still counts as running. The only
 * reliable sign of life is that its loop asks the queue and gets answers.
 */
import { type Job, type JobJson, type Processor, Worker, type WorkerOptions } from "bullmq";

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
