import { type Command, Option } from "commander";
import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import type { WorkerHandle } from "../../engine/api.ts";
import type { HealthServer, HealthSubject } from "../../workers/healthServer.ts";
import type { Answering } from "../../workers/supervision/answer.ts";
import type { CliContext, Finish } from "../context.ts";
import { endInTime } from "../endInTime.ts";
import { serveAgain } from "../serveAgain.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { sayStopped, serviceStopMs } from "../stopping.ts";
import { untilAborted } from "../untilAborted.ts";

interface WorkerFlags extends GlobalFlags {
  healthPort?: string;
  healthHost?: string;
}

export function defineWorker(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("worker")
    .summary("take batches until told to stop (needs REDIS_URL)")
    .description(
      "One pod's worker: takes batches of every provider, and requests of the `runs` queue, until SIGTERM. Needs " +
        "REDIS_URL; waits for ever for a Redis that is away. Any number may run beside each other. Told to stop, it gives " +
        "its batches back within seconds and ends with 0; a second signal ends it at once.",
    )
    .addOption(
      new Option("--health-port <port>", "answer GET /livez and /readyz there; 0 takes any that is free"),
    )
    .addOption(new Option("--health-host <address>", "address of the health port (default: every address)"))
    .addHelpText(
      "after",
      `
Examples:
  $ REDIS_URL=redis://localhost:6379 uee worker
  $ uee worker --health-port 8081     in a pod, for its probes
  $ UEE_LOG_LEVEL=debug uee worker --redis-url unix:/run/redis.sock`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await worker(context, command.optsWithGlobals<WorkerFlags>()));
    });
}

/** The state of this process that is known so far; probes and a supervisor may ask at any time. */
interface Standing {
  config?: Config;
  logger?: Logger;
  handle: WorkerHandle | undefined;
  supervised?: Answering | undefined;
  health?: HealthServer;
}

async function worker(context: CliContext, flags: WorkerFlags): Promise<number> {
  const interrupts = context.interrupts();
  const { signal } = interrupts;
  const now: Standing = { handle: undefined };
  const report = () => reportOf(now, signal);
  now.supervised = context.supervised?.(report);
  try {
    const serving = serveAgain(signal, () => serve(context, flags, signal, now, report));
    return await endInTime(
      signal,
      () => serviceStopMs(now.config).hardMs,
      serving,
      () => {
        return sayStopped(now.logger, ["some work did not end and is abandoned"]);
      },
    );
  } finally {
    now.supervised?.stop();
    interrupts.release();
    await now.health?.close();
  }
}

function reportOf({ handle }: Standing, signal: AbortSignal): HealthSubject {
  const stopping = signal.aborted ? (["the worker is stopping"] as const) : [];
  if (handle === undefined) {
    const reasons = stopping.length > 0 ? [...stopping] : ["the worker is starting: it waits for Redis"];
    const state = signal.aborted ? "stopping" : "starting";
    return { worker: null, state, live: true, ready: false, reasons };
  }
  const { id } = handle;
  const said = handle.report();
  // After the stop signal it is not ready, even if a step is still in progress.
  if (!signal.aborted || said.state === "stopping") return { worker: id, ...said };
  return { worker: id, ...said, state: "stopping", ready: false, reasons: [...stopping, ...said.reasons] };
}

/** Works until the signal fires; returns the exit code. */
async function serve(
  context: CliContext,
  flags: WorkerFlags,
  signal: AbortSignal,
  now: Standing,
  report: () => HealthSubject,
): Promise<number> {
  const session = await context.open({
    redis: "required",
    patience: "service",
    flags,
    signal,
    onConfig: async ({ config, logger }) => {
      Object.assign(now, { config, logger });
      // Siblings under one supervisor would use the same port; the supervisor asks them over its own channel.
      if (context.supervised === undefined) now.health ??= await listen(config, logger, report);
    },
  });
  try {
    now.handle = await session.engine.startWorker({ schedules: true, signal });
    const { id } = now.handle;
    session.logger.info({ event: "ready", worker: id }, `worker ${id} is ready`);
    now.supervised?.tell();
    await untilAborted(signal);
    session.logger.info({ event: "stopping", worker: id }, "stopping; no new batches");
    const { left } = await session.close({ deadlineMs: serviceStopMs(session.config).orderlyMs });
    return sayStopped(session.logger, left);
  } finally {
    now.handle = undefined;
    await session.close();
  }
}

async function listen(
  config: Config,
  logger: Logger,
  report: () => HealthSubject,
): Promise<HealthServer | undefined> {
  if (config.healthPort === undefined) return undefined;
  const { startHealthServer } = await import("../../workers/healthServer.ts");
  const health = await startHealthServer({
    port: config.healthPort,
    ...(config.healthHost === undefined ? {} : { host: config.healthHost }),
    report,
  });
  logger.info({ event: "health", port: health.port }, `health port ${health.port}: /livez and /readyz`);
  return health;
}
