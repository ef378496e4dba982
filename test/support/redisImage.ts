/** All that a Redis holds, to be put back again and again. */
import type { Redis } from "ioredis";

export interface RedisImage {
  restore(): Promise<void>;
}

export async function takeImage(redis: Redis): Promise<RedisImage> {
  const keys = await redis.keys("*");
  const entries = await Promise.all(
    keys.map(async (key) => ({ key, dump: await redis.dumpBuffer(key), ttl: await redis.pttl(key) })),
  );
  return {
    async restore() {
      await redis.flushall();
      await Promise.all(
        entries.map(({ key, dump, ttl }) =>
          // REPLACE: a process that starts at this moment may have written the schema's key after the flush.
          redis.restore(key, Math.max(0, ttl), dump as unknown as string, "REPLACE"),
        ),
      );
    },
  };
}
