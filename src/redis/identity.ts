import type { Redis } from "ioredis";
import { mapRedisError } from "./errors.ts";
import { parseInfo } from "./info.ts";

/** Identifies one run of the server process. A restart may have lost the last second of writes, or everything. */
export interface ServerRun {
  /** INFO's run_id: new at every start of the server. Null when our user may not read INFO. */
  runId: string | null;
  /** Seconds since the server started, at the time of the question. */
  uptimeSeconds: number;
}

export interface RedisIdentity {
  /**
   * The run behind the current connection. A command sent right after this resolves (without another await in
   * between) reaches that same run or fails. Rejects with SYS_REDIS_* while there is no connection.
   */
  current(): Promise<ServerRun>;
}

/** Reads INFO again after every loss of the connection. `redis` must reject commands when its connection breaks. */
export function watchIdentity(redis: Redis): RedisIdentity {
  let known: Promise<ServerRun> | undefined;
  redis.on("close", () => {
    known = undefined;
  });
  return {
    async current() {
      for (;;) {
        const asked = known ?? readServerRun(redis);
        known = asked;
        try {
          const run = await asked;
          // The connection broke during the wait: the answer may belong to the previous run.
          if (known === asked) return run;
        } catch (error) {
          if (known === asked) known = undefined;
          throw error;
        }
      }
    },
  };
}

async function readServerRun(redis: Redis): Promise<ServerRun> {
  try {
    const info = parseInfo(await redis.info("server"));
    return { runId: info.run_id ?? null, uptimeSeconds: Number(info.uptime_in_seconds ?? 0) };
  } catch (error) {
    const mapped = mapRedisError(error);
    if (mapped.code === "SYS_REDIS_AUTH") return { runId: null, uptimeSeconds: 0 };
    throw mapped;
  }
}
