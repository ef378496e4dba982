/** Which Redis a command uses: the one named, or the local server of the data directory. */
import type { Config } from "../config/index.ts";
import { UeeError } from "../core/errors.ts";

export interface RedisChoice {
  /**
   * managed: without REDIS_URL a local server is started (and created if there is none);
   * existing: without REDIS_URL the local store is read if there is one, else SYS_NO_STORE;
   * required: without REDIS_URL SYS_REDIS_REQUIRED;
   * private: a local server of the data directory, stopped at close.
   */
  redis: "managed" | "existing" | "required" | "private";
  /** Stops the wait for Redis. */
  signal?: AbortSignal;
}

export interface ChosenRedis {
  url: string;
  /** The local server's data directory. */
  localStore: string | undefined;
  /** Releases a local server: it stops when no process uses it any more, a private one at once. */
  release(): Promise<void>;
}

export async function chooseRedis(
  request: RedisChoice,
  config: Config,
  say: (message: string) => void,
): Promise<ChosenRedis> {
  const isPrivate = request.redis === "private";
  if (config.redisUrl !== undefined && !isPrivate) {
    return { url: config.redisUrl, localStore: undefined, release: async () => {} };
  }
  if (request.redis === "required") throw new UeeError("SYS_REDIS_REQUIRED");
  const { localRedis, stopLocalRedis } = await import("../redis/local/localRedis.ts");
  const local = await localRedis({
    dataDir: config.dataDir,
    create: request.redis !== "existing",
    idleMs: config.localRedisIdle,
    onLoading: () => say("The local Redis is loading its data."),
    ...(config.localRedisMaxMemory === undefined ? {} : { maxMemoryBytes: config.localRedisMaxMemory }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  return {
    url: local.url,
    localStore: local.path,
    release: async () => {
      local.release();
      if (isPrivate) await stopLocalRedis(config.dataDir);
    },
  };
}
