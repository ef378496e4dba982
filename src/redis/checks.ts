/**
 * Checks whether this Redis can hold the mirror. Runs once at start and reads INFO, so that it works where CONFIG is
 * forbidden.
 */
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import { SLOTS, type SlotRange } from "./cluster.ts";
import type { RedisServers } from "./connect.ts";
import { type RedisInfo, readInfo, readPersistence } from "./info.ts";

export type ChecksMode = "on" | "warn" | "off";

export interface UnfitFinding {
  check: "version" | "eviction" | "persistence" | "role" | "cluster" | "rights";
  /** refuse: work must not start. warn: it may start, and the operator is told. */
  severity: "refuse" | "warn";
  /** The problem and the remedy. */
  message: string;
}

const MIN_VERSION = [6, 2] as const;

/** Inspects every master of a cluster, and whether they serve all slots. */
export async function inspectRedis({ servers, topology }: RedisServers): Promise<UnfitFinding[]> {
  const found = await Promise.all(
    (await servers()).map(async ({ name, redis }) => {
      const findings = await inspectServer(redis, topology !== undefined);
      return findings.map((one) => (topology ? { ...one, message: `${name}: ${one.message}` } : one));
    }),
  );
  return [...(topology ? checkSlots(await topology.ranges()) : []), ...found.flat()];
}

async function inspectServer(redis: Redis, inCluster: boolean): Promise<UnfitFinding[]> {
  const info = await readInfo(redis);
  if (info === undefined) {
    const message =
      "the user may not read INFO, so version, eviction and persistence cannot be checked; grant +info (docs/redis.md)";
    return [{ check: "rights", severity: "warn", message }];
  }
  return [
    ...checkVersion(info),
    ...checkRole(info, inCluster),
    ...checkEviction(info),
    ...checkPersistence(await readPersistence(redis, info)),
  ];
}

/**
 * Refuses (SYS_REDIS_UNFIT, all findings in one message) or warns, as the mode says (UEE_REDIS_CHECKS).
 * @returns the findings that did not lead to a refusal, for the log
 */
export async function assertRedisFit(servers: RedisServers, mode: ChecksMode): Promise<UnfitFinding[]> {
  if (mode === "off") return [];
  const findings = await inspectRedis(servers);
  const refusals = findings.filter((finding) => finding.severity === "refuse");
  if (mode === "warn" || refusals.length === 0) return findings;
  throw new UeeError(
    "SYS_REDIS_UNFIT",
    `This Redis is not fit to hold the mirror: ${refusals.map((finding) => finding.message).join("; ")}.`,
    { data: { findings } },
  );
}

function checkVersion(info: RedisInfo): UnfitFinding[] {
  const [major = 0, minor = 0] = (info.redis_version ?? "").split(".").map(Number);
  if (major > MIN_VERSION[0] || (major === MIN_VERSION[0] && minor >= MIN_VERSION[1])) return [];
  const message = `it is version ${info.redis_version ?? "unknown"}; upgrade it to ${MIN_VERSION.join(".")} or newer`;
  return [{ check: "version", severity: "refuse", message }];
}

function checkSlots(ranges: readonly SlotRange[]): UnfitFinding[] {
  const findings: UnfitFinding[] = [];
  const served = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (served < SLOTS) {
    const message = `${SLOTS - served} of its ${SLOTS} slots have no master; assign them (redis-cli --cluster fix)`;
    findings.push({ check: "cluster", severity: "refuse", message });
  }
  const alone = ranges.filter(({ replicas }) => replicas === 0).map(({ master: m }) => `${m.host}:${m.port}`);
  if (alone.length > 0) {
    const message = `${[...new Set(alone)].join(", ")} has no replica; while it is away, everything waits`;
    findings.push({ check: "cluster", severity: "warn", message });
  }
  return findings;
}

function checkRole(info: RedisInfo, inCluster: boolean): UnfitFinding[] {
  const findings: UnfitFinding[] = [];
  if (info.cluster_enabled === "1" && !inCluster) {
    const message = "it is a node of a Redis Cluster; write REDIS_URL as redis+cluster://host:port,host:port";
    findings.push({ check: "cluster", severity: "refuse", message });
  }
  if (info.role !== undefined && info.role !== "master") {
    const master = info.master_host ? ` (${info.master_host}:${info.master_port ?? "?"})` : "";
    const message = `it is a replica; point REDIS_URL to its master${master}, or use the Sentinel form`;
    findings.push({ check: "role", severity: "refuse", message });
  }
  return findings;
}

function checkEviction(info: RedisInfo): UnfitFinding[] {
  const policy = info.maxmemory_policy;
  if (policy === undefined || policy === "noeviction") return [];
  const message = `its maxmemory-policy is ${policy}, which deletes records and jobs when memory is short; set \`maxmemory-policy noeviction\``;
  return [{ check: "eviction", severity: "refuse", message }];
}

function checkPersistence(persistence: "aof" | "rdb" | "none" | "unknown"): UnfitFinding[] {
  switch (persistence) {
    case "aof":
      return [];
    case "none": {
      const message = "it keeps nothing on disk; set `appendonly yes`";
      return [{ check: "persistence", severity: "refuse", message }];
    }
    case "rdb": {
      const message =
        "it only writes snapshots, so a crash loses what came after the last one; set `appendonly yes`";
      return [{ check: "persistence", severity: "warn", message }];
    }
    case "unknown": {
      const message =
        "it keeps no append-only file and does not tell whether it writes snapshots; make sure that it does";
      return [{ check: "persistence", severity: "warn", message }];
    }
  }
}
