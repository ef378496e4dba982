/** Redis `TIME`: the only place that decodes it in TypeScript; lua/time.lua does so in scripts. */
import type { Redis } from "ioredis";
import { loadScript } from "./scripts.ts";

/** µs since the epoch. */
export async function redisMicros(redis: Pick<Redis, "time">): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000_000 + Number(micros);
}

/** ms since the epoch, whole. */
export const redisMs = async (redis: Pick<Redis, "time">): Promise<number> =>
  Math.floor((await redisMicros(redis)) / 1_000);

/**
 * Time left until `deadline`, never negative. A deadline farther away than the longest possible wait was set before
 * Redis' clock went back: it counts as one such wait. All values in the same unit.
 */
export const timeLeft = (deadline: number, now: number, longest: number): number =>
  Math.min(Math.max(0, deadline - now), longest);

const tickScript = loadScript(new URL("./lua/tick-1.lua", import.meta.url));

/** The next time of the clock in this HASH, µs: later than all before, even while Redis' own clock goes back. */
export const tick = async (redis: Redis, key: string): Promise<number> =>
  Number(await tickScript.run(redis, [key], []));
