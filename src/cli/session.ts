/**
 * Configuration → log → Redis → engine, for every command that uses the mirror. Heavy modules are loaded only here,
 * so that help and usage errors appear at once.
 */
import { type Config, type LoadedConfig, loadConfig } from "../config/index.ts";
import { isUeeError } from "../core/errors.ts";
import type { StopReport } from "../engine/api.ts";
import { openEngine } from "../engine.ts";
import { assertRedisFit } from "../redis/checks.ts";
import { type ConnectOptions, connectRedis, type RedisConnections } from "../redis/connect.ts";
import { chooseRedis } from "../session/chooseRedis.ts";
import { engineSettings, isKeyless } from "../session/engineSettings.ts";
import { watchOutages } from "../session/outageWatch.ts";
import type { CliContext } from "./context.ts";
import { type CommandLog, type LogLook, makeCommandLog } from "./logging.ts";
import { styleFor, wantsColours } from "./render/style.ts";
import type { Session, SessionRequest } from "./sessionTypes.ts";

/** How long closing waits for a Redis that may be gone, ms. */
const closeDeadlineMs = 5_000;

/** How long a command tries to reach Redis at start, and how long a later outage may last, ms. */
const commandPatience = { startMs: 5_000, outageMs: 120_000 };
const servicePatience = { startMs: Number.POSITIVE_INFINITY, outageMs: Number.POSITIVE_INFINITY };

export async function openSession(
  request: SessionRequest,
  context: Pick<CliContext, "stderr" | "env">,
): Promise<Session> {
  const { config, log } = await prepare(request, context);
  const patience = request.patience === "service" ? servicePatience : commandPatience;
  const say = (message: string) => log.logger.warn({ event: "redis" }, message);
  const chosen = await chooseRedis(request, config, say);
  await request.onConfig?.({ config, logger: log.logger });
  const watch = watchOutages(patience.outageMs, say);
  let redis: RedisConnections | undefined;
  try {
    redis = await connectWithPatience(patience.startMs, say, {
      url: chosen.url,
      name: "uee:cli",
      onState: watch.onState,
      ...(config.redisTlsCa === undefined ? {} : { tlsCaFile: config.redisTlsCa }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    // Reading is allowed wherever the mirror is; only writers require a safe configuration of Redis.
    if (request.redis !== "existing" && !request.anyRedis) {
      for (const { message } of await assertRedisFit(redis.commands, config.redisChecks)) {
        log.logger.warn({ event: "redis_check" }, `Redis: ${message}`);
      }
    }
    const engine = await openEngine({ settings: engineSettings(config), redis, logger: log.logger });
    const connections = redis;
    let closing: Promise<StopReport> | undefined;
    return {
      engine,
      config,
      redis: connections.commands,
      logger: log.logger,
      redisUrl: chosen.url,
      redisDisplay: connections.display,
      localStore: chosen.localStore,
      keyless: isKeyless(config),
      lost: watch.lost,
      close: ({ deadlineMs = closeDeadlineMs } = {}) => {
        closing ??= (async () => {
          watch.close();
          const report = await engine.close({ deadlineMs });
          await connections.close();
          await chosen.release();
          log.flush();
          return report;
        })();
        return closing;
      },
    };
  } catch (error) {
    watch.close();
    await redis?.close();
    await chosen.release();
    log.flush();
    throw error;
  }
}

/** Time of one attempt at start, ms; also the interval at which a waiting service looks again. */
const onePatienceMs = 5_000;

/** A service waits for a Redis that is unreachable or loading, and logs this once. */
async function connectWithPatience(
  patienceMs: number,
  say: (message: string) => void,
  options: ConnectOptions,
): Promise<RedisConnections> {
  for (let told = false; ; told = true) {
    try {
      return await connectRedis({ ...options, timeoutMs: Math.min(patienceMs, onePatienceMs) });
    } catch (error) {
      const passing = isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE");
      if (!passing || Number.isFinite(patienceMs)) throw error;
      if (!told) say(`${error.detail} Waiting for it.`);
    }
  }
}

async function prepare(
  request: SessionRequest,
  context: Pick<CliContext, "stderr" | "env">,
): Promise<{ config: Config; log: CommandLog }> {
  const env = request.env ?? context.env;
  const loaded = loadConfig({ argvFlags: { ...request.flags }, env });
  const { config, warnings } = loaded;
  const write = request.logTo ?? ((line: string) => void context.stderr.write(`${line}\n`));
  const terminal = context.stderr.isTTY === true;
  const look = lookOf(loaded, request, terminal);
  const log = await makeCommandLog({
    level: config.logLevel,
    look,
    colours: wantsColours(context.stderr, context.env),
    write,
  });
  const style = styleFor(context.stderr, context.env);
  for (const warning of warnings) {
    if (terminal) write(`${style.yellow("Note:")} ${warning}`);
    else log.logger.warn({ event: "config" }, warning);
  }
  return { config, log };
}

/** Progress bars show what info lines would; a user at a terminal sees problems only, unless a level was requested. */
function lookOf({ config, origins }: LoadedConfig, request: SessionRequest, terminal: boolean): LogLook {
  if (config.logFormat !== "auto") return config.logFormat;
  if (!terminal) return "json";
  return request.patience === "command" && origins.logLevel?.source === "default" ? "brief" : "pretty";
}
