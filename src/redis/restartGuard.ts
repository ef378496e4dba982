/**
 * What a process sends to the scripts that grant (lua/restart.lua), so that a Redis which lost its last grants is
 * detected: the time of its last grant and the run of Redis that gave it, and, only when a script asks for it, the
 * last clean stop of Redis.
 */
import type { Redis } from "ioredis";
import { isInCluster } from "./cluster.ts";
import { mapRedisError } from "./errors.ts";

export interface Answer {
  reply: unknown;
  /** The reply was a grant at `atUs` by Redis TIME; `runId` if it names it. */
  granted(atUs: number, runId?: string): void;
}

export interface RestartGuard {
  /** Calls a script with these facts, and again with all facts when it answers {-1}. */
  ask(run: (told: string) => Promise<unknown>): Promise<Answer>;
  /** Redis has granted something to this process before. */
  readonly hasGrants: boolean;
  /** Stops listening to the connection. */
  close(): void;
}

const mustTellAll = (reply: unknown): boolean => Array.isArray(reply) && reply[0] === -1;

/** @param cleanStopKey STRING, µs: set right before a clean shutdown of a managed server */
export function makeRestartGuard(redis: Redis, cleanStopKey: string): RestartGuard {
  let lastGrantAt = 0;
  let lastRunId = "";
  /**
   * The run of Redis that this connection reported; if the store has the same, INFO need not be read. A command in
   * progress when the connection breaks fails and is not resent.
   */
  let believed = "";
  let connections = 0;
  const onClose = (): void => {
    believed = "";
    connections++;
  };
  redis.on("close", onClose);

  const inFull = (cleanStop: number): string => `${cleanStop} ${lastGrantAt} ${lastRunId}`;

  return {
    async ask(run) {
      const connection = connections;
      let reply = await run(believed || inFull(-1));
      if (mustTellAll(reply)) {
        // The managed server is no cluster, and the key may lie in another slot of one.
        const asked = isInCluster(redis) ? Promise.resolve(null) : redis.get(cleanStopKey);
        const stored = await asked.catch((error: unknown) => {
          throw mapRedisError(error);
        });
        const cleanStop = Number(stored ?? 0);
        reply = await run(inFull(Number.isFinite(cleanStop) ? cleanStop : 0));
      }
      return {
        reply,
        granted(atUs, runId) {
          lastGrantAt = atUs;
          if (runId === undefined) return;
          lastRunId = runId;
          if (connection === connections) believed = runId;
        },
      };
    },
    get hasGrants() {
      return lastRunId !== "";
    },
    close: () => {
      redis.off("close", onClose);
    },
  };
}
