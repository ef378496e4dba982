/** Opens the mirror: the chosen Redis, a connection that reports outages, and the engine on top. */
import type { Config } from "../config/index.ts";
import { isUeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Engine, StopOptions, StopReport } from "../engine/api.ts";
import { openEngine } from "../engine.ts";
import type { AnyProvider } from "../providers/contract.ts";
import { assertRedisFit } from "../redis/checks.ts";
import { type ConnectOptions, connectRedis, type RedisConnections } from "../redis/connect.ts";
import { chooseRedis, type RedisChoice } from "./chooseRedis.ts";
import { engineSettings } from "./engineSettings.ts";
import { watchOutages } from "./outageWatch.ts";

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
      ...(config.redisTlsCa === undefined ? {} : { tlsCaFile: config.redisTlsCa }),
      ...(signal === undefined ? {} : { signal }),
    });
    connections = redis;
    const assertFit = async (): Promise<void> => {
      for (const { message } of await assertRedisFit(redis.commands, config.redisChecks)) {
        logger.warn({ event: "redis_check" }, `Redis: ${message}`);
      }
    };
    if (request.fit) await assertFit();
    const settings = engineSettings(config, providers);
    const engine = await openEngine({ settings, redis, logger, ...(providers ? { providers } : {}) });
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
