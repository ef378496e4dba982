import { isUeeError } from "../../core/errors.ts";
import { workerSpawner } from "../../workers/supervision/channel.ts";
import { inWords, type SupervisionEvent, Supervisor } from "../../workers/supervision/supervisor.ts";
import { parseCount } from "../arguments.ts";
import { command } from "../command.ts";
import type { CliContext, GlobalFlags, Session } from "../context.ts";
import { EXIT } from "../exits.ts";
import { plural, type Style, styleFor } from "../render/text.ts";
import { runService, sayStopped, untilAborted } from "../service.ts";
import { backendOf, listenAs } from "./dashboard.ts";
import { listenAs as listenServeAs } from "./serve.ts";
import { startWebhook } from "./webhook.ts";

/** Each worker has the whole deadline for itself; this is the extra time for this process, ms. */
const OURS_MS = 5_000;

export const up = command({
  name: "up",
  summary: "everything on one machine: Redis if none is given, workers, schedules, dashboard, NVD API",
  description:
    "Starts a local Redis unless REDIS_URL names one, worker processes, the dashboard and the NVD-compatible server " +
    "around it; stops them all on Ctrl-C or SIGTERM. Runs open by their schedules, on the dashboard, or with `uee run` from another terminal.",
  options: {
    "--workers <n>": "worker processes (default: 2)",
    "--port <port>": "port of the dashboard (default: 8330, or any that is free where it is in use)",
    "--host <address>": "address of the dashboard (default: this machine only)",
  },
  examples: ["uee up", "uee up --workers 4 &  uee run all --wait"],
  async run(context, flags) {
    const count = parseCount(flags.workers ?? "2", "--workers", { max: 256 });
    const anyPort = flags.port === undefined && !context.env.UEE_PORT;
    return runService(context, {
      request: { redis: "managed", flags },
      extraMs: OURS_MS,
      serve: (session, signal) => serve({ context, flags, session, signal, count, anyPort }),
    });
  },
});

interface Setting {
  context: CliContext;
  flags: GlobalFlags;
  session: Session;
  signal: AbortSignal;
  /** Workers. */
  count: number;
  /** The port is the default: if it is in use, another one is taken. */
  anyPort: boolean;
}

/** The servers first, then the workers; they stop in reverse order. */
async function serve({ context, flags, session, signal, count, anyPort }: Setting): Promise<number> {
  const style = styleFor(context.stderr, context.env);
  const say = (text: string) => void context.stderr.write(`${text}\n`);
  const { redisDisplay, localStore, config, logger } = session;
  say(`${style.bold("Redis")}    ${redisDisplay}${localStore ? `, data in ${localStore}` : ""}`);
  const dashboard = await listenOn(anyPort, config.port, (port) => listenAs(config, logger, port));
  const webhook = await startWebhook(session);
  dashboard.server.attach(backendOf(session, webhook));
  say(`${style.bold("Dashboard")} ${dashboard.server.url}${dashboard.note}`);
  const nvd = await listenOn(!context.env.UEE_SERVE_PORT, config.servePort, (port) =>
    listenServeAs(config, logger, port),
  );
  say(`${style.bold("NVD API")}  ${nvd.server.url}${nvd.note}`);
  const serving = nvd.server.serve(session.engine, signal).catch((error: unknown) => {
    logger.error({ event: "serve_failed", err: error }, "the NVD-compatible server has stopped");
  });
  const workers = workersOf(context, flags, session, count, say);
  const killNow = () => workers.kill();
  try {
    process.once("exit", killNow);
    if (!signal.aborted) {
      workers.start();
      say(`${style.bold("Workers")}  ${plural(count, "process", "processes")}: ${workers.pids.join(", ")}`);
      const hint =
        "Open a run on the dashboard, or here in another terminal: uee run all. Ctrl-C stops everything.";
      say(style.dim(hint));
    }
    const told = untilAborted(signal).then(() => false);
    const lost = await Promise.race([told, workers.gone().then(() => true)]);
    const { forced } = await workers.stop(config.stopDeadline + OURS_MS / 2);
    if (!lost)
      return sayStopped(
        logger,
        forced === 0 ? [] : [`${plural(forced, "worker")} did not stop and were killed`],
      );
    say(style.red("SYS_CRASH_LOOP: of the workers none is left; see their messages above."));
    return EXIT.failed;
  } finally {
    process.off("exit", killNow);
    await Promise.all([dashboard.server.close(), nvd.server.close(), webhook?.close()]);
    if (signal.aborted) await serving;
  }
}

/** Listens on the port, or where `anyPort` says so and it is in use on any that is free. */
async function listenOn<Server>(
  anyPort: boolean,
  port: number,
  listen: (port: number) => Promise<Server>,
): Promise<{ server: Server; note: string }> {
  try {
    return { server: await listen(port), note: "" };
  } catch (error) {
    if (!anyPort || !isUeeError(error, "API_CANNOT_LISTEN")) throw error;
    return { server: await listen(0), note: ` (port ${port} is in use)` };
  }
}

/** Child processes under a supervisor. On a terminal a user reads what happens to them; elsewhere the log has it. */
function workersOf(
  context: CliContext,
  flags: GlobalFlags,
  { engine, logger, redisUrl }: Session,
  count: number,
  say: (text: string) => void,
): Supervisor {
  const terminal = context.stderr.isTTY === true;
  const style = styleFor(context.stderr, context.env);
  return new Supervisor({
    count,
    spawn: workerSpawner({
      script: context.script,
      args: ["worker", ...childFlags(flags)],
      env: { ...context.env, REDIS_URL: redisUrl },
    }),
    missedBeats: async () =>
      new Map((await engine.workers()).map(({ id, missedBeats }) => [id, missedBeats])),
    logger: terminal ? logger.child({}, { level: "silent" }) : logger,
    onEvent: (happened) => {
      if (terminal) say(forPeople(happened, style));
      if (happened.event === "worker_lost" && happened.worker !== null) {
        // Only for the text of a dead letter: the death of a process is detected without it.
        void engine.noteWorkerEnd(happened.worker, happened.how).catch(() => undefined);
      }
    },
  });
}

function forPeople(happened: SupervisionEvent, style: Style): string {
  const text = inWords(happened);
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  const good = happened.event === "worker_started" || happened.event === "worker_restarted";
  return good ? style.dim(sentence) : style.red(sentence);
}

/** Settings given as flags must reach the workers as flags; they inherit the environment. */
const childFlags = ({ config, prefix, logLevel }: GlobalFlags): string[] =>
  Object.entries({ "--config": config, "--prefix": prefix, "--log-level": logLevel }).flatMap(
    ([flag, value]) => (value === undefined ? [] : [flag, value]),
  );
