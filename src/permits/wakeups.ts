/**
 * Hints that a waiter's turn may have come: one reader per process, only while it has waiters. A hint may be lost or
 * unnecessary; waiters poll as well.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "../redis/errors.ts";

const BLOCK_MS = 2_000;

export function makeWakeups(options: { connect?: () => Redis; key: string; logger: Logger }) {
  const { connect, key, logger } = options;
  let redis: Redis | undefined;
  const sleepers = new Map<string, Set<() => void>>();
  let last = 0;
  let reading = false;
  let closed = false;

  const take = (entries: [string, string[]][]): void => {
    for (const [id, fields] of entries) {
      last = Number.parseInt(id, 10);
      for (let i = 1; i < fields.length; i += 2) {
        for (const wake of sleepers.get(fields[i]!) ?? []) wake();
      }
    }
  };

  const read = async (from: Redis): Promise<void> => {
    reading = true;
    while (sleepers.size > 0 && !closed) {
      try {
        const reply = await from.xread("COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", key, `${last}-0`);
        if (reply) take(reply[0]![1]);
      } catch (error) {
        if (closed) break;
        logger.debug({ err: mapRedisError(error) }, "no hints for waiters at present; they poll");
        await sleep(1_000, undefined, { ref: false });
      }
    }
    reading = false;
  };

  return {
    /** Resolves at the next hint for the place, at `signal`, or after `ms`; never rejects. `since`: the last hint known. */
    wait(place: string, since: number, ms: number, signal?: AbortSignal): Promise<void> {
      // A lower number than the known one: the pool was created again.
      if (since < last) last = since;
      if (signal?.aborted || closed) return Promise.resolve();
      return new Promise((resolve) => {
        const mine = sleepers.get(place) ?? new Set();
        const wake = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", wake);
          mine.delete(wake);
          if (mine.size === 0 && sleepers.get(place) === mine) sleepers.delete(place);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        signal?.addEventListener("abort", wake, { once: true });
        sleepers.set(place, mine.add(wake));
        if (connect && !reading) {
          last = Math.max(last, since);
          redis ??= connect();
          void read(redis);
        }
      });
    },
    close(): void {
      closed = true;
      for (const mine of [...sleepers.values()]) for (const wake of [...mine]) wake();
    },
  };
}
