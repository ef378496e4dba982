import { type Command, Option } from "commander";
import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import type { RunningDashboard } from "../../dashboard/listen.ts";
import type { CliContext, Finish } from "../context.ts";
import { attachTo, listenAs } from "../dashboardService.ts";
import { endInTime } from "../endInTime.ts";
import { serveAgain } from "../serveAgain.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { sayStopped, serviceStopMs } from "../stopping.ts";
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

/** The state of this process that is known so far. */
interface Standing {
  config?: Config;
  logger?: Logger;
  server?: RunningDashboard;
}

async function dashboard(context: CliContext, flags: DashboardFlags): Promise<number> {
  const interrupts = context.interrupts();
  const { signal } = interrupts;
  const now: Standing = {};
  try {
    return await endInTime(
      signal,
      () => serviceStopMs(now.config).hardMs,
      serveAgain(signal, () => serve(context, flags, signal, now)),
      () => sayStopped(now.logger, ["some work did not end and is abandoned"]),
    );
  } finally {
    interrupts.release();
    await now.server?.close();
  }
}

/** Answers until the signal fires; returns the exit code. */
async function serve(
  context: CliContext,
  flags: DashboardFlags,
  signal: AbortSignal,
  now: Standing,
): Promise<number> {
  const session = await context.open({
    redis: "required",
    patience: "service",
    flags,
    signal,
    onConfig: async ({ config, logger }) => {
      Object.assign(now, { config, logger });
      now.server ??= await listenAs(config, logger);
    },
  });
  try {
    if (now.server !== undefined) attachTo(now.server, session);
    session.logger.info({ event: "ready" }, "Redis is reachable; ready");
    await untilAborted(signal);
    await now.server?.close();
    const { left } = await session.close({ deadlineMs: serviceStopMs(session.config).orderlyMs });
    return sayStopped(session.logger, left);
  } finally {
    now.server?.attach(undefined);
    await session.close();
  }
}
