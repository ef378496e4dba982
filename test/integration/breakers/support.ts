/** Breakers of several pods around one Redis; time is aged there, never waited for. */
import type { Redis } from "ioredis";
import { Breaker, type BreakerOptions } from "../../../src/breakers/breaker.ts";
import { BreakerStore } from "../../../src/breakers/breakerStore.ts";
import { breakerPolicy } from "../../../src/breakers/policy.ts";
import { type ErrorCode, isUeeError, UeeError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import type { GuardedCall } from "../../../src/upstream/guard.ts";

let upstreams = 0;
export const freshUpstream = (): string => `test-${process.pid}-${++upstreams}`;

export const keysOf = (upstream: string) => makeKeys("uee-test").upstream(upstream);

export function pod(
  redis: Redis,
  upstream: string,
  actor: string,
  over: Partial<BreakerOptions> = {},
): Breaker {
  return new Breaker({
    store: new BreakerStore({ upstream, redis, keys: keysOf(upstream), actor }),
    policy: breakerPolicy,
    logger: silentLogger(),
    probeLimitMs: 60_000,
    random: () => 0,
    ...over,
  });
}

const never = new AbortController().signal;

export const enter = (
  breaker: Breaker,
  over: Partial<Parameters<Breaker["enter"]>[0]> = {},
): Promise<GuardedCall> => breaker.enter({ signal: never, limitAllows: async () => {}, ...over });

/** Makes so many calls that fail, one after the other. */
export async function fail(
  breaker: Breaker,
  times: number,
  code: ErrorCode = "PROV_CONNECTION",
): Promise<void> {
  for (let i = 0; i < times; i++) await (await enter(breaker)).failed(new UeeError(code, `failure ${i + 1}`));
}

/** The UeeError that the breaker refuses the call with; undefined when it lets it through. */
export async function refusal(breaker: Breaker): Promise<UeeError | undefined> {
  try {
    await (await enter(breaker)).abandoned();
    return undefined;
  } catch (error) {
    if (isUeeError(error)) return error;
    throw error;
  }
}

/** Its time is over. */
export const ageOpening = (redis: Redis, upstream: string): Promise<unknown> =>
  redis.hset(keysOf(upstream).breaker, "until_ms", 1);

/** The token's lease has run out. */
export const ageProbe = (redis: Redis, upstream: string): Promise<unknown> =>
  redis.hset(keysOf(upstream).breaker, "probe_until_ms", 1);

/** `closed→open trip`, oldest first. */
export async function moves(breaker: Breaker): Promise<string[]> {
  const { entries } = await breaker.store.transitions({ limit: 1_000 });
  return entries.reverse().map(({ oldState, newState, trigger }) => `${oldState}→${newState} ${trigger}`);
}
