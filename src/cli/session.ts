/**
 * Configuration → log → Redis → engine, for every command that uses the mirror. Heavy modules are loaded only here,
 * so that help and usage errors appear at once.
 */
import { type Config, type LoadedConfig, loadConfig } from "../config/index.ts";
import { isKeyless, openMirror } from "../session/openMirror.ts";
import type { CliContext, Session, SessionRequest } from "./context.ts";
import { type CommandLog, type LogLook, makeCommandLog } from "./logging.ts";
import { styleFor, wantsColours } from "./render/text.ts";

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
  try {
    const mirror = await openMirror({
      redis: request.redis,
      config,
      logger: log.logger,
      name: "uee:cli",
      patience,
      // Reading is allowed wherever the mirror is; only writers require a safe configuration of Redis.
      fit: request.redis !== "existing" && !request.anyRedis,
      onChosen: async () => request.onConfig?.({ config, logger: log.logger }),
      signal: request.signal,
    });
    return {
      engine: mirror.engine,
      config,
      redis: mirror.redis,
      logger: log.logger,
      redisUrl: mirror.redisUrl,
      redisDisplay: mirror.redis.display,
      localStore: mirror.localStore,
      keyless: isKeyless(config),
      lost: mirror.lost,
      async close({ deadlineMs = closeDeadlineMs } = {}) {
        const report = await mirror.close({ deadlineMs });
        log.flush();
        return report;
      },
    };
  } catch (error) {
    log.flush();
    throw error;
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
