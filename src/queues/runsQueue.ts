/** The queue into which scripts and schedules put runs; workers/runsConsumer.ts takes its jobs. */
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { Keys } from "../redis/keys.ts";
import {
  delayedScore,
  type JobCounts,
  jobCounts,
  openQueue,
  type QueueAddress,
  queueKey,
} from "./bullmqQueue.ts";
import { ScheduleReconciler, type ScheduleReconcilerOptions } from "./scheduleReconciler.ts";

export class RunsQueue {
  readonly #queue: Queue;
  readonly #redis: Redis;
  readonly #address: QueueAddress;

  constructor(keys: Keys, connection: Redis) {
    this.#redis = connection;
    this.#address = keys.runsQueue;
    this.#queue = openQueue(keys.runsQueue, connection);
  }

  /** Jobs that a worker would take now; a schedule's next slot waits for its time, not for a worker. */
  async waiting(): Promise<number> {
    const [{ wait = 0, prioritized = 0 }, due] = await Promise.all([
      this.#queue.getJobCounts("wait", "prioritized"),
      this.#redis.zcount(queueKey(this.#address, "delayed"), "-inf", String(delayedScore(Date.now()))),
    ]);
    return wait + prioritized + due;
  }

  isPaused(): Promise<boolean> {
    return this.#queue.isPaused();
  }

  /** Operators pause providers, never this queue. True when it was left paused and takes jobs again now. */
  async resumeLeftPaused(): Promise<boolean> {
    if (!(await this.#queue.isPaused())) return false;
    await this.#queue.resume();
    return true;
  }

  /** When a schedule's next job is due, ms; null when the schedule has none. */
  async nextSlot(id: string): Promise<number | null> {
    return (await this.#queue.getJobScheduler(id))?.next ?? null;
  }

  scheduleReconciler(options: Pick<ScheduleReconcilerOptions, "plan" | "lastDone">): ScheduleReconciler {
    return new ScheduleReconciler({ redis: this.#redis, queue: this.#queue, ...options });
  }

  counts(): Promise<JobCounts> {
    return jobCounts(this.#queue);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}
