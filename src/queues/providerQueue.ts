/** One provider's queue: adds the jobs of its batches under deterministic ids. Adding twice adds once. */
import { type ConnectionOptions, type Job, Queue } from "bullmq";
import type { ProviderKeys } from "../redis/keys.ts";
import { type BatchJob, checkedJob, finishKey, type JobName, jobId, jobOptions } from "./jobCatalog.ts";
import { type JobCounts, jobCounts } from "./jobCounts.ts";

export interface QueuedBatch {
  key: string;
  kind: "batch" | "record";
  pass: number;
  size: number;
  payload: unknown;
  letter?: BatchJob["letter"];
}

export type { JobCounts } from "./jobCounts.ts";

const ADDED_AT_ONCE = 500;

export class ProviderQueue {
  readonly name: string;
  readonly queue: Queue;

  constructor(name: string, keys: ProviderKeys, connection: ConnectionOptions) {
    this.name = name;
    this.queue = new Queue(keys.queue.name, {
      prefix: keys.queue.prefix,
      connection,
      defaultJobOptions: jobOptions,
      skipMetasUpdate: true,
      skipWaitingForReady: true,
    });
    // Without a listener a lost connection would be an unhandled error; callers see it where they wait.
    this.queue.on("error", () => undefined);
  }

  async addBatches(runId: string, batches: QueuedBatch[], generation = 1): Promise<void> {
    // One transaction each: Redis and this process do other work in between.
    for (let from = 0; from < batches.length; from += ADDED_AT_ONCE) {
      await this.#add(runId, batches.slice(from, from + ADDED_AT_ONCE), generation);
    }
  }

  async #add(runId: string, batches: QueuedBatch[], generation: number): Promise<void> {
    await this.queue.addBulk(
      batches.map((batch) => {
        const data = checkedJob({
          provider: this.name,
          runId,
          batch: batch.key,
          pass: batch.pass,
          generation,
          size: batch.size,
          payload: batch.payload,
          ...(batch.letter ? { letter: batch.letter } : {}),
        });
        return { name: batch.kind satisfies JobName, data, opts: { jobId: jobId(data) } };
      }),
    );
  }

  async addFinish(runId: string, pass: number, round: number, generation: number): Promise<void> {
    const data: BatchJob = {
      provider: this.name,
      runId,
      batch: finishKey(round),
      pass,
      generation: generation + 1,
      size: 0,
      payload: null,
    };
    await this.queue.add("finish" satisfies JobName, data, { jobId: jobId(data) });
  }

  job(id: string): Promise<Job | undefined> {
    return this.queue.getJob(id);
  }

  /** Removes a job that nobody works on; false when it is gone, or at work. */
  async remove(id: string): Promise<boolean> {
    return (await this.queue.remove(id)) === 1;
  }

  /** Ids in the failed set, a page of them, without their jobs. */
  failedIds(start: number, end: number): Promise<string[]> {
    return this.queue.getRanges(["failed"], start, end);
  }

  /** Of these jobs, those that are nowhere. */
  async missing(ids: readonly string[]): Promise<Set<string>> {
    const states = await Promise.all(ids.map((id) => this.queue.getJobState(id)));
    return new Set(ids.filter((_, i) => states[i] === "unknown"));
  }

  counts(): Promise<JobCounts> {
    return jobCounts(this.queue);
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}
