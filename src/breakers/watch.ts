/**
 * Tells listeners about every breaker's transitions, whichever pod made them: each once, in order, from the moment
 * they began to listen. It reads each breaker's history with blocking reads on a connection of its own (in a cluster they
 * lie on several servers), and only while there are listeners. Nothing depends on it: callers of upstreams ask Redis themselves.
 *
 * Pub/sub is not used: it loses messages while a connection is down and needs a permission that our ACL line does not
 * request.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { toUeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "../redis/errors.ts";
import { fieldsOf } from "../redis/newestFirst.ts";
import { type BreakerTransition, toBreakerTransition } from "./report.ts";

type BreakerListener = (transition: BreakerTransition) => void;

export interface BreakerWatchOptions {
  /** A connection for blocking reads of this key. */
  connect(key: string): Redis;
  /** Upstream → its STREAM of transitions. */
  streams: ReadonlyMap<string, string>;
  logger: Logger;
}

const BLOCK_MS = 2_000;

export function makeBreakerWatch({ connect, streams, logger }: BreakerWatchOptions) {
  const listeners = new Set<BreakerListener>();
  let reading: { connections: Redis[]; armed: Promise<unknown> } | undefined;

  const tell = (transition: BreakerTransition): void => {
    for (const listener of [...listeners]) {
      try {
        listener(transition);
      } catch (error) {
        const { code, message } = toUeeError(error);
        logger.warn({ event: "breaker_listener", upstream: transition.upstream, code }, message);
      }
    }
  };

  const read = async (upstream: string, key: string, redis: Redis, last: string): Promise<void> => {
    const wanted = (): boolean => reading?.connections.includes(redis) === true;
    for (let after = last; wanted(); ) {
      try {
        const reply = await redis.xread("COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", key, after);
        for (const [id, flat] of reply?.[0]?.[1] ?? []) {
          after = id;
          tell(toBreakerTransition(upstream, fieldsOf(flat), id));
        }
      } catch (error) {
        if (!wanted()) return;
        const { code, message } = mapRedisError(error);
        logger.debug({ event: "breaker_watch", code }, message);
        await sleep(1_000, undefined, { ref: false });
      }
    }
  };

  const start = (): NonNullable<typeof reading> => {
    const connections: Redis[] = [];
    const armed = [...streams].map(async ([upstream, key]) => {
      const redis = connect(key);
      connections.push(redis);
      const [newest] = await redis.xrevrange(key, "+", "-", "COUNT", 1);
      void read(upstream, key, redis, newest?.[0] ?? "0-0");
    });
    return { connections, armed: Promise.all(armed) };
  };

  const stop = (): void => {
    for (const redis of reading?.connections ?? []) redis.disconnect();
    reading = undefined;
  };

  return {
    /** Resolves with a function that stops it, when no later transition can be missed. */
    async listen(listener: BreakerListener): Promise<() => void> {
      listeners.add(listener);
      reading ??= start();
      await reading.armed;
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
    close(): void {
      listeners.clear();
      stop();
    },
  };
}
