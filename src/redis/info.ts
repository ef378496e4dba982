import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { RedisServers } from "./connect.ts";
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

/** The whole INFO text; undefined when our user may not read it. */
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
  /** `aof`, `rdb`, `none`, or `unknown` when neither INFO nor CONFIG says. */
  persistence: "aof" | "rdb" | "none" | "unknown";
  /** Why it refuses writes at present, as far as INFO says; null when INFO names no reason. */
  trouble: string | null;
}

/** The server facts that `status` and `doctor` show; of a cluster the sum of its masters, or what is worst of them. */
export async function serverFacts({ servers, topology }: RedisServers): Promise<RedisFacts> {
  const all = await Promise.all(
    (await servers()).map(async ({ name, redis }) => {
      const info = (await readInfo(redis)) ?? {};
      const trouble = troubleIn(info);
      return {
        version: info.redis_version ?? "unknown",
        usedMemory: Number(info.used_memory ?? 0),
        maxMemory: Number(info.maxmemory ?? 0),
        persistence: await readPersistence(redis, info),
        trouble: trouble !== null && topology ? `${name}: ${trouble}` : trouble,
      };
    }),
  );
  const worst = ["none", "unknown", "rdb", "aof"] as const;
  const troubles = all.flatMap(({ trouble }) => trouble ?? []);
  return {
    version: [...new Set(all.map(({ version }) => version))].join(", "),
    usedMemory: all.reduce((sum, { usedMemory }) => sum + usedMemory, 0),
    maxMemory: all.some(({ maxMemory }) => maxMemory === 0)
      ? 0
      : all.reduce((sum, { maxMemory }) => sum + maxMemory, 0),
    persistence: worst.find((one) => all.some(({ persistence }) => persistence === one))!,
    trouble: troubles.length === 0 ? null : troubles.join("; "),
  };
}

/** Why the server refuses writes: the only report of it while not even a provider's state can be written. */
function troubleIn(info: RedisInfo): string | null {
  const found: string[] = [];
  const max = Number(info.maxmemory ?? 0);
  if (max > 0 && Number(info.used_memory ?? 0) > max) found.push("it is out of memory (maxmemory)");
  if (info.role !== undefined && info.role !== "master") found.push("it is a replica");
  if (info.loading === "1") found.push("it loads its data");
  if (info.aof_enabled === "1" && info.aof_last_write_status === "err") {
    found.push("its append-only file cannot be written");
  }
  if (info.rdb_last_bgsave_status === "err") {
    found.push("its last snapshot failed (it refuses writes unless stop-writes-on-bgsave-error is off)");
  }
  return found.length === 0 ? null : found.join("; ");
}

/** INFO reports append-only files; for snapshots it only says that one was made, so CONFIG is read if allowed. */
export async function readPersistence(redis: Redis, info: RedisInfo): Promise<RedisFacts["persistence"]> {
  if (info.aof_enabled === "1") return "aof";
  try {
    const reply = (await redis.config("GET", "save")) as string[];
    return reply[1] ? "rdb" : "none";
  } catch {
    // Forbidden, or renamed by a hosting service.
    return Number(info.rdb_last_bgsave_time_sec ?? -1) >= 0 ? "rdb" : "unknown";
  }
}
