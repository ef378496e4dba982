/**
 * Tells listeners about every breaker's transitions, whichever pod made them: each once, in order, from the moment
 * they began to listen. It reads the breakers' histories with a blocking read on its own connection, and only while
 * there are listeners. Nothing depends on it: callers of upstreams ask Redis themselves.
 *
 * Pub/sub is not used: it loses messages while a connection is down and needs a permission that our ACL line does not
 * request.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { toUeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "../redis/errors.ts";
import { type BreakerTransition, toBreakerTransition } from "./report.ts";

export type BreakerListener = (transition: BreakerTransition) => void;

export interface BreakerWatch {
  /** Resolves with a function that stops it, when no later transition can be missed. */
  listen(listener: BreakerListener): Promise<() => void>;
  close(): void;
}

export interface BreakerWatchOptions {
  /** A connection for blocking reads. */
  connect(): Redis;
  /** Upstream → its STREAM of transitions. */
  streams: ReadonlyMap<string, string>;
  logger: Logger;
}

const BLOCK_MS = 2_000;

export function makeBreakerWatch({ connect, streams, logger }: BreakerWatchOptions): BreakerWatch {
  const listeners = new Set<BreakerListener>();
  const names = [...streams.keys()];
  const keys = [...streams.values()];
  let reader: { redis: Redis; armed: Promise<void> } | undefined;

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

  const take = (entries: [string, string[]][], index: number, after: string[]): void => {
    for (const [id, flat] of entries) {
      after[index] = id;
      const fields: Record<string, string> = {};
      for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
      tell(toBreakerTransition(names[index]!, fields, id));
    }
  };

  const read = async (redis: Redis, after: string[]): Promise<void> => {
    while (reader?.redis === redis) {
      try {
        const reply = await redis.xread("COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", ...keys, ...after);
        for (const [key, entries] of reply ?? []) take(entries, keys.indexOf(key), after);
      } catch (error) {
        if (reader?.redis !== redis) return;
        const { code, message } = mapRedisError(error);
        logger.debug({ event: "breaker_watch", code }, message);
        await sleep(1_000, undefined, { ref: false });
      }
    }
  };

  const start = (): { redis: Redis; armed: Promise<void> } => {
    const redis = connect();
    const last = async (key: string): Promise<string> =>
      (await redis.xrevrange(key, "+", "-", "COUNT", 1))[0]?.[0] ?? "0-0";
    const armed = Promise.all(keys.map(last)).then((after) => {
      void read(redis, after);
    });
    return { redis, armed };
  };

  const stop = (): void => {
    reader?.redis.disconnect();
    reader = undefined;
  };

  return {
    async listen(listener) {
      listeners.add(listener);
      reader ??= start();
      await reader.armed;
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
    close() {
      listeners.clear();
      stop();
    },
  };
}
