import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import { mapRedisError } from "./errors.ts";

export type RedisInfo = Readonly<Record<string, string>>;

export function parseInfo(text: string): RedisInfo {
  const info: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) info[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return info;
}

/** INFO, whole; undefined where our user may not ask. */
export async function readInfo(redis: Redis): Promise<RedisInfo | undefined> {
  try {
    return parseInfo(await redis.info());
  } catch (error) {
    const mapped = mapRedisError(error);
    if (mapped instanceof UeeError && mapped.code === "SYS_REDIS_AUTH") return undefined;
    throw mapped;
  }
}

export interface RedisFacts {
  version: string;
  /** Bytes. */
  usedMemory: number;
  /** Bytes; 0 means no limit. */
  maxMemory: number;
  /** `aof`, `rdb`, `none`, or `unknown` where neither INFO nor CONFIG tells. */
  persistence: "aof" | "rdb" | "none" | "unknown";
}

/** What `status` and `doctor` show of the server. */
export async function serverFacts(redis: Redis): Promise<RedisFacts> {
  const info = (await readInfo(redis)) ?? {};
  return {
    version: info.redis_version ?? "unknown",
    usedMemory: Number(info.used_memory ?? 0),
    maxMemory: Number(info.maxmemory ?? 0),
    persistence: await readPersistence(redis, info),
  };
}

/** INFO tells of append-only files; of snapshots it tells only that one was made, so CONFIG is asked where it may be. */
export async function readPersistence(redis: Redis, info: RedisInfo): Promise<RedisFacts["persistence"]> {
  if (info.aof_enabled === "1") return "aof";
  try {
    const reply = (await redis.config("GET", "save")) as string[];
    return reply[1] ? "rdb" : "none";
  } catch {
    // Forbidden, or renamed away by a hosting service.
    return Number(info.rdb_last_bgsave_time_sec ?? -1) >= 0 ? "rdb" : "unknown";
  }
}
