/**
 * Two kinds of connection, each with a single use:
 * - commands: fail fast. A command whose connection breaks is rejected (it may or may not have run) and never resent
 *   without the caller. Every caller handles SYS_REDIS_UNREACHABLE.
 * - blocking: for BullMQ workers and blocking reads. Waits without limit, across any outage.
 */
import { Redis, type RedisOptions } from "ioredis";
import { UeeError } from "../core/errors.ts";
import { redactRedisUrl } from "../core/secrets.ts";
import { ClusterTopology, connectorOf, type SlotRange, slotOf } from "./cluster.ts";
import { mapRedisError } from "./errors.ts";
import { parseRedisUrl } from "./url.ts";

export interface ConnectOptions {
  url: string;
  /** PEM file of a private CA. */
  tlsCaFile?: string;
  /** How long to try at start, ms; Infinity for workers. Default 5,000. */
  timeoutMs?: number;
  /** Shown in CLIENT LIST, e.g. `uee:worker`. */
  name?: string;
  signal?: AbortSignal;
  /** Called when a connection is lost for longer than a moment, and when all are back. */
  onState?: (state: "lost" | "back", reason: string) => void;
}

export interface RedisServer {
  /** `host:port`; of a server that is no part of a cluster the address for display. */
  name: string;
  /** Fails fast. */
  redis: Redis;
  serves(key: string): boolean;
}

/** Every server: in a cluster the masters, else one. */
export interface RedisServers {
  servers(): Promise<RedisServer[]>;
  /** Undefined outside a cluster. */
  readonly topology: ClusterTopology | undefined;
}

export interface RedisConnections extends RedisServers {
  /** Shared fail-fast connection to the one server; in a cluster to any master. */
  readonly commands: Redis;
  /** The shared fail-fast connection for a key, or for its hash tag: in a cluster one for each slot, else `commands`. */
  of(key: string): Redis;
  /** Opens a separate connection for a key; closed by `close()`, or earlier with `disconnect()`. */
  open(kind: "blocking", key: string): Redis;
  /** The URL for display, without secrets. */
  readonly display: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

/**
 * A connection that hangs (frozen server, half-open TCP) is closed after this long without a byte, ms. Longer than
 * any blocking read: BullMQ's last at most 10 s.
 */
const SILENCE_MS = 15_000;

/**
 * A loss shorter than this is not reported: a connection closed because of READONLY reconnects to the new master at
 * once.
 */
const BLIP_MS = 300;

/** Connects, or throws within `timeoutMs`: SYS_REDIS_UNREACHABLE, SYS_REDIS_AUTH, SYS_REDIS_TROUBLE. */
export async function connectRedis(options: ConnectOptions): Promise<RedisConnections> {
  const { seeds, ...target } = parseRedisUrl(options.url, options.tlsCaFile);
  const display = redactRedisUrl(options.url);
  const topology = seeds && new ClusterTopology(seeds, target);
  const opened = new Set<Redis>();
  const watch = watchStates(options.onState);
  const open = (kind: "commands" | "blocking", slot: number): Redis => {
    const redis = new Redis({
      ...connectionOptions(target, kind),
      ...(topology ? { Connector: connectorOf(topology, slot) } : {}),
      connectionName: options.name,
    });
    // Without a listener ioredis prints every failed attempt; commands reject with the reason anyway.
    redis.on("error", () => {});
    redis.once("end", () => opened.delete(redis));
    opened.add(redis);
    return redis;
  };
  const close = async () => {
    await Promise.all([...opened].map(closeOne));
  };
  const shared = new Map<number, Redis>();
  const slot = (key: string): number => (topology ? slotOf(key) : 0);
  const ofSlot = (wanted: number): Redis => {
    let redis = shared.get(wanted);
    if (!redis) {
      redis = open("commands", wanted);
      shared.set(wanted, redis);
      watch(redis);
    }
    return redis;
  };
  const servers = async (): Promise<RedisServer[]> => {
    if (!topology) return [{ name: display, redis: commands, serves: () => true }];
    const all = await topology.ranges();
    const nameOf = ({ master }: SlotRange): string => `${master.host}:${master.port}`;
    return [...new Set(all.map(nameOf))].map((name) => {
      const ranges = all.filter((range) => nameOf(range) === name);
      const has = (one: number) => ranges.some(({ first, last }) => first <= one && one <= last);
      // A connection that is open already rather than a new one.
      const redis = ofSlot([...shared.keys()].find(has) ?? ranges[0]!.first);
      return { name, redis, serves: (key) => has(slotOf(key)) };
    });
  };
  const commands = ofSlot(0);
  const until = performance.now() + (options.timeoutMs ?? 5_000);
  try {
    await firstContact(commands, display, options);
    for (const { redis } of await servers()) {
      await firstContact(redis, display, { ...options, timeoutMs: Math.max(1, until - performance.now()) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ commands, display, close, servers, topology },
    of: (key) => ofSlot(slot(key)),
    open: (kind, key) => open(kind, slot(key)),
  };
}

function connectionOptions(target: RedisOptions, kind: "commands" | "blocking"): RedisOptions {
  const fast = kind === "commands";
  return {
    ...target,
    // Zero: when the connection closes, all commands in progress are rejected rather than resent.
    maxRetriesPerRequest: fast ? 0 : null,
    autoResendUnfulfilledCommands: !fast,
    connectTimeout: 5_000,
    socketTimeout: SILENCE_MS,
    keepAlive: 10_000,
    // How long a socket that does not close may delay the exit of the process.
    disconnectTimeout: 250,
    retryStrategy: (times) => Math.min(25 * 2 ** times, 1_000) * (0.75 + Math.random() / 2),
    sentinelRetryStrategy: (times) => Math.min(25 * 2 ** times, 1_000),
    // After a failover the old master is read-only, or tells who serves its slots: reconnect to find the new one.
    reconnectOnError: (error) => /^(READONLY|MOVED|CLUSTERDOWN)\b/.test(error.message),
    maxLoadingRetryTime: 500,
  };
}

function firstContact(redis: Redis, display: string, options: ConnectOptions): Promise<void> {
  const { timeoutMs = 5_000, signal } = options;
  return new Promise((resolve, reject) => {
    let lastError: UeeError | undefined;
    const settle = (error?: UeeError) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      redis.off("ready", onReady);
      redis.off("error", onError);
      if (error) reject(error);
      else resolve();
    };
    const onReady = () => settle();
    const onError = (error: Error) => {
      lastError = mapRedisError(error);
      // A retry does not correct a password.
      if (lastError.code === "SYS_REDIS_AUTH") settle(named(lastError, display));
    };
    const onAbort = () => settle(new UeeError("SYS_INTERRUPTED"));
    const onTimeout = () => {
      // Connected but never ready: ioredis waits while the server loads its data.
      if (redis.status === "connect") {
        settle(
          new UeeError("SYS_REDIS_TROUBLE", `Redis at ${display} is still loading its data, or frozen.`),
        );
        return;
      }
      settle(
        lastError
          ? named(lastError, display)
          : new UeeError("SYS_REDIS_UNREACHABLE", `Redis at ${display} does not answer.`),
      );
    };
    const timer = Number.isFinite(timeoutMs) ? setTimeout(onTimeout, timeoutMs) : undefined;
    redis.on("ready", onReady);
    redis.on("error", onError);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort);
    if (redis.status === "ready") onReady();
  });
}

const named = (error: UeeError, display: string): UeeError =>
  new UeeError(error.code, `${error.detail.replace(/\.$/, "")}: ${display}.`, { cause: error.cause });

/** Reports when the first of the connections that it is given is lost, and when the last of them is back. */
function watchStates(onState: ConnectOptions["onState"]): (redis: Redis) => void {
  const lost = new Set<Redis>();
  return (redis) => {
    let reason = "";
    let timer: NodeJS.Timeout | undefined;
    let known = false;
    const back = (): void => {
      known = true;
      clearTimeout(timer);
      timer = undefined;
      if (lost.delete(redis) && lost.size === 0) onState?.("back", reason);
      reason = "";
    };
    redis.on("error", (error: Error) => {
      reason = mapRedisError(error).detail;
    });
    redis.on("reconnecting", () => {
      if (!known) return;
      timer ??= setTimeout(() => {
        if (lost.add(redis).size === 1) onState?.("lost", reason || "the connection was closed");
      }, BLIP_MS).unref();
    });
    redis.on("ready", back);
    redis.on("end", () => clearTimeout(timer));
  };
}

async function closeOne(redis: Redis): Promise<void> {
  // Between two attempts there is nothing to close, and ioredis would never report the end.
  const hasSocket = redis.status === "ready" || redis.status === "connect" || redis.status === "connecting";
  const ended = hasSocket ? new Promise<void>((resolve) => redis.once("end", () => resolve())) : undefined;
  if (redis.status !== "end") redis.disconnect();
  await ended;
}
