/** Opens the mirror: the chosen Redis, a connection that reports outages, and the engine on top. */
import type { Config } from "../config/index.ts";
import { isUeeError, UeeError } from "../core/errors.ts";
import { formatRough } from "../core/figures.ts";
import type { Logger } from "../core/logger.ts";
import type { Engine, StopOptions, StopReport } from "../engine/api.ts";
import { type EngineSettings, openEngine } from "../engine.ts";
import type { AnyProvider } from "../providers/contract.ts";
import { providers as registered } from "../providers/registry.ts";
import { assertRedisFit } from "../redis/checks.ts";
import { type ConnectOptions, connectRedis, type RedisConnections } from "../redis/connect.ts";

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

interface ChosenRedis {
  url: string;
  /** The local server's data directory. */
  localStore: string | undefined;
  /** Releases a local server: it stops when no process uses it any more, a private one at once. */
  release(): Promise<void>;
}

/** Which Redis a command uses: the one named, or the local server of the data directory. */
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
    maxMemoryBytes: config.localRedisMaxMemory,
    signal: request.signal,
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

export interface MirrorRequest extends RedisChoice {
  config: Config;
  logger: Logger;
  /** Name of the connections, as `CLIENT LIST` shows it. */
  name: string;
  /** How long to try to reach Redis at start, and how long a later outage may last, ms. Infinity: for ever. */
  patience: { startMs: number; outageMs: number };
  /** Refuse a Redis that must not be written to. */
  fit: boolean;
  /** Default: the registry. */
  providers?: readonly AnyProvider[];
  /** Called once, before Redis is waited for. */
  onChosen?: () => Promise<void>;
}

export interface OpenMirror {
  engine: Engine;
  redis: RedisConnections;
  redisUrl: string;
  localStore: string | undefined;
  /** Fires, with SYS_REDIS_UNREACHABLE as reason, when an outage lasted too long. */
  lost: AbortSignal;
  /** @throws UeeError when this Redis must not be written to */
  assertFit(): Promise<void>;
  /** Closes the engine, the connections and a local server; the second call returns the result of the first. */
  close(options?: StopOptions): Promise<StopReport>;
}

/** How long one attempt to connect lasts for a caller that waits for ever, ms. */
const ONE_ATTEMPT_MS = 5_000;

/** @throws UeeError SYS_NO_STORE, SYS_REDIS_REQUIRED, SYS_REDIS_UNREACHABLE, SYS_REDIS_AUTH, SYS_SCHEMA_NEWER */
export async function openMirror(request: MirrorRequest): Promise<OpenMirror> {
  const { config, logger, patience, providers, signal } = request;
  const say = (message: string) => logger.warn({ event: "redis" }, message);
  const chosen = await chooseRedis(request, config, say);
  await request.onChosen?.();
  const watch = watchOutages(patience.outageMs, say);
  let connections: RedisConnections | undefined;
  try {
    const redis = await connect(patience.startMs, say, {
      url: chosen.url,
      name: request.name,
      onState: watch.onState,
      tlsCaFile: config.redisTlsCa,
      signal,
    });
    connections = redis;
    const assertFit = async (): Promise<void> => {
      for (const { message } of await assertRedisFit(redis, config.redisChecks)) {
        logger.warn({ event: "redis_check" }, `Redis: ${message}`);
      }
    };
    if (request.fit) await assertFit();
    const settings = engineSettings(config, providers);
    const engine = await openEngine({ settings, redis, logger, providers });
    let closing: Promise<StopReport> | undefined;
    return {
      engine,
      redis,
      redisUrl: chosen.url,
      localStore: chosen.localStore,
      lost: watch.lost,
      assertFit,
      close(options) {
        closing ??= (async () => {
          watch.close();
          const report = await engine.close(options);
          await redis.close();
          await chosen.release();
          return report;
        })();
        return closing;
      },
    };
  } catch (error) {
    watch.close();
    await connections?.close();
    await chosen.release();
    throw error;
  }
}

/** A caller that waits for ever also waits for a Redis that is away or loading, and says so once. */
async function connect(
  startMs: number,
  say: (message: string) => void,
  options: ConnectOptions,
): Promise<RedisConnections> {
  if (Number.isFinite(startMs)) return await connectRedis({ ...options, timeoutMs: startMs });
  for (let told = false; ; told = true) {
    try {
      return await connectRedis({ ...options, timeoutMs: ONE_ATTEMPT_MS });
    } catch (error) {
      if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
      if (!told) say(`${error.detail} Waiting for it.`);
    }
  }
}

interface OutageWatch {
  /** Fires, with the error as reason, when one outage lasted longer than the limit. */
  readonly lost: AbortSignal;
  onState(state: "lost" | "back", reason: string): void;
  close(): void;
}

/**
 * Redis may be away for a while during a run; this decides when an outage has lasted too long.
 *
 * @param limitMs Infinity: waits for ever
 */
export function watchOutages(limitMs: number, say: (message: string) => void): OutageWatch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    lost: controller.signal,
    onState(state, reason) {
      clearTimeout(timer);
      timer = undefined;
      if (state === "back") return say("Redis is back; going on.");
      const patience = Number.isFinite(limitMs) ? ` for up to ${formatRough(limitMs)}` : "";
      say(`Redis is away (${reason}); waiting${patience}.`);
      if (!Number.isFinite(limitMs)) return;
      timer = setTimeout(() => {
        controller.abort(
          new UeeError("SYS_REDIS_UNREACHABLE", `Redis stayed away for ${formatRough(limitMs)} (${reason}).`),
        );
      }, limitMs);
    },
    close: () => clearTimeout(timer),
  };
}

/** The first load of cve walks NVD's API at the rate without a key: the year feeds are off. */
export const isKeyless = ({ nvdApiKey, providers: own }: Config): boolean =>
  nvdApiKey === undefined &&
  own.cve?.url === undefined &&
  own.cve?.rate === undefined &&
  own.cve?.feedsUrl === "off";

/**
 * The engine's settings as the configuration has them.
 *
 * @param providers those that the configuration was read for
 */
export function engineSettings(
  config: Config,
  providers: readonly AnyProvider[] = registered,
): EngineSettings {
  const own = Object.fromEntries(
    providers.map(({ name, upstream }) => {
      const { url, feedsUrl, rate, pageSize, schedule, fullSchedule, reconcileSchedule } =
        config.providers[name] ?? {};
      const apiKey = upstream.apiKeyEnv === "NVD_API_KEY" ? config.nvdApiKey : undefined;
      const scheduled =
        schedule || fullSchedule || reconcileSchedule
          ? { incremental: schedule, full: fullSchedule, reconcile: reconcileSchedule }
          : undefined;
      return [name, { url, feedsUrl, apiKey, rate, pageSize, schedule: scheduled }];
    }),
  );
  const { prefix, concurrency, inflightBytes, permits, bufferRecords, waitScale, changesLimit } = config;
  const { errorRate, errorMinimum, deadLetterLimit, deadLetterBytes } = config;
  return {
    ...{ prefix, concurrency, inflightBytes, permits, bufferRecords, waitScale, changesLimit },
    ...{ errorRate, errorMinimum, deadLetterLimit, deadLetterBytes },
    providers: own,
    schedules: config.schedules === "on",
    timeouts: {
      connectMs: config.connectTimeout,
      headersMs: config.headersTimeout,
      idleMs: config.idleTimeout,
      totalMs: config.totalTimeout,
    },
  };
}
