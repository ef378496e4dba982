/** What BullMQ keeps of a provider's jobs: attempts and stalls, by batch. */
import { type Job, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { makeKeys } from "../../src/redis/keys.ts";

export interface JobFacts {
  batch: string;
  name: string;
  state: string;
  /** Attempts counted so far; completing counts as one. */
  made: number;
  started: number;
  stalled: number;
}

const states = ["wait", "active", "delayed", "completed", "failed"] as const;

export async function jobFacts(redis: Redis, prefix: string, provider: string): Promise<JobFacts[]> {
  const { queue } = makeKeys(prefix).provider(provider);
  const looked = new Queue(queue.name, { prefix: queue.prefix, connection: redis });
  try {
    const found: JobFacts[] = [];
    for (const state of states) {
      for (const job of (await looked.getJobs([state])) as (Job | undefined)[]) {
        if (!job) continue;
        found.push({
          batch: job.data.batch,
          name: job.name,
          state,
          made: job.attemptsMade,
          started: job.attemptsStarted,
          stalled: job.stalledCounter ?? 0,
        });
      }
    }
    return found;
  } finally {
    await looked.close();
  }
}
