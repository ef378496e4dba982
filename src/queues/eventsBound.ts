/** How many events BullMQ keeps of a queue: kept beside the queue, and 10,000 where nobody has said. */
import type { Redis } from "ioredis";
import { EVENTS_KEPT } from "./jobCatalog.ts";

/** Said by those who work; that who only looks writes nothing (skipMetasUpdate), as on a Redis that is read-only. */
export async function boundEvents(
  redis: Redis,
  queues: readonly { prefix: string; name: string }[],
): Promise<void> {
  for (const { prefix, name } of queues) {
    await redis.hset(`${prefix}:${name}:meta`, "opts.maxLenEvents", EVENTS_KEPT);
  }
}
