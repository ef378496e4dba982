import { type Command, Option } from "commander";
import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import { parseCount } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { dashboardService } from "../dashboardService.ts";
import { endInTime } from "../endInTime.ts";
import { EXIT } from "../exitCodes.ts";
import { type Style, styleFor } from "../render/style.ts";
import { runServices, type Service } from "../services.ts";
import type { GlobalFlags, Session } from "../sessionTypes.ts";
import { sayStopped, serviceStopMs } from "../stopping.ts";
import { workersService } from "../workersService.ts";

/** Each worker has the whole deadline for itself; this is the extra time for this process, ms. */
const OURS_MS = 5_000;

interface UpFlags extends GlobalFlags {
  workers: string;
  port?: string;
  host?: string;
}

export function defineUp(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("up")
    .summary("everything on one machine: Redis if none is given, workers, schedules and the dashboard")
    .description(
      "Starts a local Redis unless REDIS_URL names one, worker processes and the dashboard around it; stops them all on " +
        "Ctrl-C or SIGTERM. Runs open by their schedules, on the dashboard, or with `uee run` from another terminal.",
    )
    .addOption(new Option("--workers <n>", "worker processes").default("2", "2"))
    .addOption(
      new Option(
        "--port <port>",
        "port of the dashboard (default: 8330, or any that is free where it is in use)",
      ),
    )
    .addOption(new Option("--host <address>", "address of the dashboard (default: this machine only)"))
    .addHelpText("after", "\nExamples:\n  $ uee up\n  $ uee up --workers 4 &  uee run all --wait")
    .action(async (_options: unknown, command: Command) => {
      finish(await up(context, command.optsWithGlobals<UpFlags>()));
    });
}

async function up(context: CliContext, flags: UpFlags): Promise<number> {
  const count = parseCount(flags.workers, "--workers", { max: 256 });
  const interrupts = context.interrupts();
  const { signal } = interrupts;
  const now: { config?: Config; logger?: Logger } = {};
  try {
    const serving = serve(context, flags, count, signal, now);
    return await endInTime(
      signal,
      () => serviceStopMs(now.config).hardMs + OURS_MS,
      serving,
      () => sayStopped(now.logger, ["some work did not end and is abandoned"]),
    );
  } catch (error) {
    if (signal.aborted) return EXIT.done;
    throw error;
  } finally {
    interrupts.release();
  }
}

async function serve(
  context: CliContext,
  flags: UpFlags,
  count: number,
  signal: AbortSignal,
  now: { config?: Config; logger?: Logger },
): Promise<number> {
  const style = styleFor(context.stderr, context.env);
  const say = (text: string) => void context.stderr.write(`${text}\n`);
  const onConfig = async (known: { config: Config; logger: Logger }) => {
    Object.assign(now, known);
  };
  const session = await context.open({ redis: "managed", patience: "service", flags, signal, onConfig });
  const { hardMs } = serviceStopMs(session.config);
  try {
    say(
      `${style.bold("Redis")}    ${session.redisDisplay}${session.localStore ? `, data in ${session.localStore}` : ""}`,
    );
    const { lost, left } = await runServices(servicesOf(context, flags, count, session, style, say), {
      signal,
      deadlineMs: hardMs + OURS_MS / 2,
      onStarted: () =>
        say(
          style.dim(
            "Open a run on the dashboard, or here in another terminal: uee run all. Ctrl-C stops everything.",
          ),
        ),
    });
    if (lost === undefined) return sayStopped(session.logger, left);
    say(style.red(`SYS_CRASH_LOOP: of the ${lost} none is left; see their messages above.`));
    return EXIT.failed;
  } finally {
    await session.close();
  }
}

/** In the order of their start; they stop in reverse order. */
function servicesOf(
  context: CliContext,
  flags: UpFlags,
  count: number,
  session: Session,
  style: Style,
  say: (text: string) => void,
): Service[] {
  return [
    dashboardService({
      session,
      anyPort: flags.port === undefined && !context.env.UEE_PORT,
      style,
      say,
    }),
    workersService({
      count,
      script: context.script,
      args: ["worker", ...childFlags(flags)],
      env: { ...context.env, REDIS_URL: session.redisUrl },
      engine: session.engine,
      logger: session.logger,
      style,
      say,
      terminal: context.stderr.isTTY === true,
    }),
  ];
}

/** Settings given as flags must reach the workers as flags; they inherit the environment. */
function childFlags(flags: GlobalFlags): string[] {
  return [
    ...(flags.config === undefined ? [] : ["--config", flags.config]),
    ...(flags.prefix === undefined ? [] : ["--prefix", flags.prefix]),
    ...(flags.logLevel === undefined ? [] : ["--log-level", flags.logLevel]),
  ];
}
