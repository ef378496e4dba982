/** One provider's queue: adds the jobs of its batches under deterministic ids. Adding twice adds once. */
import type { ConnectionOptions, Queue } from "bullmq";
import type { ProviderKeys } from "../redis/keys.ts";
import { type JobCounts, type JobState, jobCounts, jobState, openQueue } from "./bullmqQueue.ts";
import { type BatchJob, checkedJob, finishKey, type JobName, jobId, jobOptions } from "./jobCatalog.ts";

export interface QueuedBatch {
  key: string;
  kind: "batch" | "record";
  pass: number;
  size: number;
  payload: unknown;
  letter?: BatchJob["letter"];
}

/** A job as the failed set keeps it. */
export interface FailedJob {
  id: string;
  name: string;
  data: unknown;
  attempts: { made: number; allowed: number };
  /** Message of the last failure. */
  reason: string | undefined;
  /** ms. */
  failedAt: number;
}

const ADDED_AT_ONCE = 500;

export class ProviderQueue {
  readonly name: string;
  readonly #queue: Queue;

  constructor(name: string, keys: ProviderKeys, connection: ConnectionOptions) {
    this.name = name;
    this.#queue = openQueue(keys.queue, connection, jobOptions);
  }

  async addBatches(runId: string, batches: QueuedBatch[], generation = 1): Promise<void> {
    const job = ({ key, kind, pass, size, payload, letter }: QueuedBatch) => {
      const { name: provider } = this;
      const of = { provider, runId, batch: key, pass, generation, size, payload };
      const data = checkedJob(letter ? { ...of, letter } : of);
      return { name: kind satisfies JobName, data, opts: { jobId: jobId(data) } };
    };
    // One transaction for each slice: Redis and this process do other work in between.
    for (let from = 0; from < batches.length; from += ADDED_AT_ONCE) {
      await this.#queue.addBulk(batches.slice(from, from + ADDED_AT_ONCE).map(job));
    }
  }

  async addFinish(runId: string, pass: number, round: number, generation: number): Promise<void> {
    const step = { batch: finishKey(round), pass, generation: generation + 1, size: 0, payload: null };
    const data: BatchJob = { provider: this.name, runId, ...step };
    await this.#queue.add("finish" satisfies JobName, data, { jobId: jobId(data) });
  }

  state(id: string): Promise<JobState> {
    return jobState(this.#queue, id);
  }

  /** The job as its failure left it; undefined when there is no such job. */
  async failedJob(id: string): Promise<FailedJob | undefined> {
    const job = await this.#queue.getJob(id);
    return (
      job && {
        id,
        name: job.name,
        data: job.data,
        attempts: { made: job.attemptsMade, allowed: job.opts.attempts ?? 1 },
        reason: job.failedReason,
        failedAt: job.finishedOn ?? job.timestamp,
      }
    );
  }

  /** Removes a job that is not at work; false when there is no such job, or it is at work. */
  async remove(id: string): Promise<boolean> {
    return (await this.#queue.remove(id)) === 1;
  }

  /** Ids in the failed set, a page of them, without their jobs. */
  failedIds(start: number, end: number): Promise<string[]> {
    return this.#queue.getRanges(["failed"], start, end);
  }

  /** Those of these jobs that the queue does not have. */
  async missing(ids: readonly string[]): Promise<Set<string>> {
    const states = await Promise.all(ids.map((id) => this.state(id)));
    return new Set(ids.filter((_, i) => states[i] === "gone"));
  }

  counts(): Promise<JobCounts> {
    return jobCounts(this.#queue);
  }

  pause(): Promise<void> {
    return this.#queue.pause();
  }

  resume(): Promise<void> {
    return this.#queue.resume();
  }

  isPaused(): Promise<boolean> {
    return this.#queue.isPaused();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}
