import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { isUeeError } from "../../core/errors.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";

import type { GlobalFlags } from "../sessionTypes.ts";
import { untilAborted } from "../untilAborted.ts";

/** How long a stopping worker may take to commit or give back its batch, ms. */
export const workerStopDeadlineMs = 25_000;

export function defineWorker(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("worker")
    .summary("take batches until told to stop (needs REDIS_URL)")
    .description(
      "One pod's worker: takes batches of every provider, and requests of the `runs` queue, until SIGTERM. Needs " +
        "REDIS_URL; waits for ever for a Redis that is away. Any number may run beside each other.",
    )
    .addHelpText(
      "after",
      `
Examples:
  $ REDIS_URL=redis://localhost:6379 uee worker
  $ UEE_LOG_LEVEL=debug uee worker --redis-url unix:/run/redis.sock`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await worker(context, command.optsWithGlobals<GlobalFlags>()));
    });
}

async function worker(context: CliContext, flags: GlobalFlags): Promise<number> {
  const interrupts = context.interrupts();
  try {
    while (!interrupts.signal.aborted) {
      try {
        await serve(context, flags, interrupts.signal);
      } catch (error) {
        // Told to stop while it still waited: a service that was told to stop has stopped.
        if (interrupts.signal.aborted) break;
        // Redis went away between connecting and taking batches; it is waited for anew.
        if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
        await sleep(1_000, undefined, { signal: interrupts.signal }).catch(() => {});
      }
    }
    return EXIT.done;
  } finally {
    interrupts.release();
  }
}

/** Works until the signal fires. */
async function serve(context: CliContext, flags: GlobalFlags, signal: AbortSignal): Promise<void> {
  const session = await context.open({ redis: "required", patience: "service", flags, signal });
  try {
    const handle = await session.engine.startWorker({ schedules: true });
    session.logger.info({ event: "ready", worker: handle.id }, `worker ${handle.id} is ready`);
    await untilAborted(signal);
    session.logger.info({ event: "stopping", worker: handle.id }, "stopping; no new batches");
    await handle.stop({ deadlineMs: workerStopDeadlineMs });
    session.logger.info({ event: "stopped", worker: handle.id }, "stopped");
  } finally {
    await session.close();
  }
}
