/** The locks of jobs at work. */
import type { Redis } from "ioredis";
import { loadScripts } from "../redis/scripts.ts";
import { type QueueAddress, queueKey } from "./bullmqQueue.ts";

const scripts = loadScripts(import.meta.url, ["dropLock-3", "shortenLocks-2"]);

/** Life of a job's lock and interval of the stalled check, ms: the same in every pod, since all pods share one throttle. */
export const LOCK_MS = 9_000;
export const STALLED_CHECK_MS = 4_000;

/** Drops the locks of jobs whose holder is among `owners`, and marks the jobs as stalled. Returns how many. */
export async function dropLocksOf(
  redis: Redis,
  queue: QueueAddress,
  owners: readonly string[],
): Promise<number> {
  let dropped = 0;
  for (const id of await redis.lrange(queueKey(queue, "active"), 0, -1)) {
    const lock = queueKey(queue, id, "lock");
    const token = await redis.get(lock);
    // A lock's token is the id of the BullMQ worker that took the job, and a counter.
    if (token === null || !owners.some((owner) => token.startsWith(`${owner}:`))) continue;
    const keys = [lock, queueKey(queue, "stalled"), queueKey(queue, "stalled-check")];
    dropped += Number(await scripts.dropLock.run(redis, keys, [token, id]));
  }
  return dropped;
}

/** After Redis' clock went back: no lock of a job lasts longer than one may. Returns how many did. */
export async function shortenLocks(redis: Redis, queue: QueueAddress): Promise<number> {
  const keys = [queueKey(queue, "active"), queueKey(queue, "stalled-check")];
  return Number(
    await scripts.shortenLocks.run(redis, keys, [queueKey(queue, ""), LOCK_MS, STALLED_CHECK_MS]),
  );
}
