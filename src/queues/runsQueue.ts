/** The queue into which scripts put runs; see workers/runsConsumer.ts. */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { Keys } from "../redis/keys.ts";
import { type JobCounts, jobCounts } from "./jobCounts.ts";

export class RunsQueue {
  readonly queue: Queue;
  readonly #redis: Redis;

  constructor(keys: Keys, connection: Redis) {
    this.#redis = connection;
    this.queue = new Queue(keys.runsQueue.name, {
      prefix: keys.runsQueue.prefix,
      connection,
      skipMetasUpdate: true,
      skipWaitingForReady: true,
    });
    this.queue.on("error", () => undefined);
  }

  /** Jobs that a worker would take now; a schedule's next slot waits for its time, not for a worker. */
  async waiting(): Promise<number> {
    const [{ wait = 0, prioritized = 0 }, due] = await Promise.all([
      this.queue.getJobCounts("wait", "prioritized"),
      // BullMQ's scores are ms times 4096, and a counter.
      this.#redis.zcount(this.queue.toKey("delayed"), "-inf", String((Date.now() + 1) * 4096)),
    ]);
    return wait + prioritized + due;
  }

  isPaused(): Promise<boolean> {
    return this.queue.isPaused();
  }

  /** Nobody pauses it on purpose: providers are paused. True when it was left paused and takes jobs again now. */
  async resumeLeftPaused(): Promise<boolean> {
    if (!(await this.queue.isPaused())) return false;
    await this.queue.resume();
    return true;
  }

  /** When a schedule's next job is due, ms; null where there is none. */
  async nextSlot(id: string): Promise<number | null> {
    return (await this.queue.getJobScheduler(id))?.next ?? null;
  }

  counts(): Promise<JobCounts> {
    return jobCounts(this.queue);
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}
