/** Work that one process of the fleet does at a time, at intervals: whichever comes first takes the turn. */
import type { Redis } from "ioredis";

/** False: another process, or this one, has had the turn within the last `ms`. */
export async function takeTurn(redis: Redis, key: string, actor: string, ms: number): Promise<boolean> {
  if ((await redis.set(key, actor, "PX", ms, "NX")) !== null) return true;
  // A turn longer than the maximum was taken before Redis' clock went back.
  if ((await redis.pttl(key)) > ms) await redis.pexpire(key, ms);
  return false;
}
