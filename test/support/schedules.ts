/** What a test does to schedules that only time or a misfortune would do. */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";

export const runsQueueOf = (url: string, prefix = "uee"): Queue =>
  new Queue("runs", { prefix: `{${prefix}}`, connection: { url, maxRetriesPerRequest: null } });

/** As if the fleet had stood still: the schedule's next run was due at `slot`, ms. */
export async function ageSchedule(redis: Redis, queue: Queue, id: string, slot: number): Promise<void> {
  const was = (await queue.getJobScheduler(id))?.next;
  if (was === undefined) throw new Error(`no schedule ${id}`);
  const [from, to] = [`repeat:${id}:${was}`, `repeat:${id}:${slot}`];
  const opts = JSON.parse((await redis.hget(queue.toKey(from), "opts"))!) as Record<string, unknown>;
  await redis
    .multi()
    .hset(queue.toKey(from), "opts", JSON.stringify({ ...opts, jobId: to, prevMillis: slot }))
    .rename(queue.toKey(from), queue.toKey(to))
    .zrem(queue.toKey("delayed"), from)
    .zadd(queue.toKey("delayed"), slot * 4096, to)
    .zadd(queue.toKey("repeat"), slot, id)
    // Wakes a worker that sleeps until the old time.
    .zadd(queue.toKey("marker"), 0, "0")
    .exec();
}

/** Ids of the jobs that wait for their time or for a worker, of one schedule or of all. */
export async function slotsOf(queue: Queue, id = ""): Promise<string[]> {
  const jobs = await queue.getJobs(["delayed", "waiting", "prioritized"]);
  return jobs.map((job) => job.id!).filter((jobId) => jobId.startsWith(`repeat:${id}`));
}
