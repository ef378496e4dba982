import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Config } from "../../config/index.ts";
import { isUeeError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { RunningDashboard } from "../../dashboard/listen.ts";
import { version } from "../../engine/version.ts";
import { makeKeys } from "../../redis/keys.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { untilAborted } from "../untilAborted.ts";

interface DashboardFlags extends GlobalFlags {
  port?: string;
  host?: string;
}

export function defineDashboard(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("dashboard")
    .summary("serve the dashboard, the HTTP API, Bull Board and metrics (needs REDIS_URL)")
    .description(
      "One pod's HTTP side, until SIGTERM: the dashboard at /, the API under /api, events, metrics, probes, and Bull " +
        "Board, read-only, at /queues. Needs REDIS_URL; answers 503 while Redis is away, for as long as it takes. Without " +
        "UEE_API_TOKEN it listens on this machine only.",
    )
    .addOption(new Option("--port <port>", "port to listen on (default: 8330); 0 takes any that is free"))
    .addOption(new Option("--host <address>", "address to listen on"))
    .addHelpText(
      "after",
      `
Examples:
  $ REDIS_URL=redis://localhost:6379 uee dashboard
  $ UEE_API_TOKEN=$(openssl rand -hex 16) uee dashboard --port 80
  $ curl -H "Authorization: Bearer $UEE_API_TOKEN" localhost:8330/api/etl-tree`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await dashboard(context, command.optsWithGlobals<DashboardFlags>()));
    });
}

async function dashboard(context: CliContext, flags: DashboardFlags): Promise<number> {
  const interrupts = context.interrupts();
  const { signal } = interrupts;
  let server: RunningDashboard | undefined;
  const onConfig = async ({ config, logger }: { config: Config; logger: Logger }): Promise<void> => {
    server ??= await listen(config, logger);
  };
  try {
    while (!signal.aborted) {
      try {
        const session = await context.open({
          ...{ redis: "required", patience: "service", flags, signal, onConfig },
        });
        try {
          const { engine, redis, logger } = session;
          server?.attach({ engine, redis, keys: makeKeys(session.config.prefix) });
          logger.info({ event: "ready" }, "Redis is reached; ready");
          await untilAborted(signal);
          await server?.close();
        } finally {
          server?.attach(undefined);
          await session.close();
        }
      } catch (error) {
        // Told to stop while it still waited: a service that was told to stop has stopped.
        if (signal.aborted) break;
        // Redis went away between connecting and opening the store; it is waited for anew.
        if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
        await sleep(1_000, undefined, { signal }).catch(() => {});
      }
    }
    return EXIT.done;
  } finally {
    await server?.close();
    interrupts.release();
  }
}

async function listen(config: Config, logger: Logger): Promise<RunningDashboard> {
  const [{ listenDashboard }, { secretsOf }] = await Promise.all([
    import("../../dashboard/listen.ts"),
    import("../../config/index.ts"),
  ]);
  return listenDashboard({
    ...{ logger, port: config.port, trustProxy: config.trustProxy, version: version() },
    ...(config.host === undefined ? {} : { host: config.host }),
    ...(config.apiToken === undefined ? {} : { token: config.apiToken }),
    secrets: secretsOf(config),
  });
}
