/** The breakers of this process, and what the engine shows of the fleet's. */
import { Breaker } from "../breakers/breaker.ts";
import { BreakerStore } from "../breakers/breakerStore.ts";
import { breakerPolicy, scaled } from "../breakers/policy.ts";
import { makeBreakerWatch } from "../breakers/watch.ts";
import type { Logger } from "../core/logger.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import { processActor } from "../runs/processIdentity.ts";
import { defaultTimeouts } from "../upstream/client.ts";
import type { Governor } from "../workers/governor.ts";
import type { Engine } from "./api.ts";
import { contextOf, type EngineParts, type EngineSettings } from "./parts.ts";

/** `governor`: of the provider that the upstream feeds; asked for late, since it is built after. */
export function buildBreaker(options: {
  upstream: string;
  redis: RedisConnections;
  keys: Keys;
  settings: Pick<EngineSettings, "waitScale" | "timeouts">;
  logger: Logger;
  governor: () => Governor | undefined;
}): Breaker {
  const { upstream, redis, keys, settings, logger } = options;
  return new Breaker({
    store: new BreakerStore({
      upstream,
      redis: redis.of(keys.upstream(upstream).breaker),
      keys: keys.upstream(upstream),
      actor: processActor().name,
    }),
    policy: scaled(breakerPolicy, settings.waitScale),
    probeLimitMs: settings.timeouts.totalMs ?? defaultTimeouts.totalMs,
    logger,
    // The provider's state says so at once, not only when its next batch runs into it.
    onMoved: async ({ newState, reason }, { remainingMs }) => {
      if (newState === "open") {
        await options
          .governor()
          ?.backOff(remainingMs, `PROV_CIRCUIT_OPEN: ${reason ?? "the breaker opened"}`);
      } else if (newState === "closed")
        await options.governor()?.waitEnded("PROV_CIRCUIT_OPEN", "the circuit breaker closed");
    },
  });
}

export interface EngineBreakers
  extends Pick<Engine, "breakers" | "breakerTransitions" | "resetBreaker" | "onBreakerStateChange"> {
  /** To be called when nothing calls upstreams any more. */
  close(): Promise<void>;
}

export function makeBreakers(parts: EngineParts): EngineBreakers {
  const { breakers, keys, connections, logger } = parts;
  const watch = makeBreakerWatch({
    connect: (key) => connections.open("blocking", key),
    streams: new Map([...breakers.keys()].map((name) => [name, keys.upstream(name).breakerTransitions])),
    logger,
  });
  const of = (name: string): Breaker =>
    breakers.get(name) ?? breakers.get(contextOf(parts, name).provider.name)!;

  return {
    breakers: () => Promise.all([...breakers.values()].map(({ store }) => store.view())),

    async breakerTransitions({ upstream, limit }) {
      const wanted = upstream === undefined ? [...breakers.values()] : [of(upstream)];
      const pages = await Promise.all(wanted.map(({ store }) => store.transitions({ limit })));
      return pages
        .flatMap(({ entries }) => entries)
        .sort((a, b) => Number(a.at < b.at) - Number(a.at > b.at))
        .slice(0, limit);
    },

    async resetBreaker(upstream, by = {}) {
      const result = await of(upstream).reset({ actor: by.actor ?? "library", reason: by.reason });
      // Also when it was closed already: the process that closed it may have died before it updated the provider.
      await parts.contexts
        .get(upstream)
        ?.governor.waitEnded("PROV_CIRCUIT_OPEN", "the circuit breaker closed");
      return result;
    },

    onBreakerStateChange: (listener) => watch.listen(listener),

    async close() {
      watch.close();
      await Promise.all([...breakers.values()].map((breaker) => breaker.close()));
    },
  };
}
