import { type Command, Option } from "commander";
import { parseCount } from "../arguments.ts";
import { startChildren } from "../children.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";

import { plural } from "../render/numbers.ts";
import { styleFor } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { untilAborted } from "../untilAborted.ts";
import { workerStopDeadlineMs } from "./worker.ts";

interface UpFlags extends GlobalFlags {
  workers: string;
}

export function defineUp(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("up")
    .summary("everything on one machine: Redis if none is given, and workers")
    .description(
      "Starts a local Redis unless REDIS_URL names one, and worker processes around it; stops them all on Ctrl-C or " +
        "SIGTERM. Runs are opened with `uee run` from another terminal.",
    )
    .addOption(new Option("--workers <n>", "worker processes").default("2", "2"))
    .addHelpText("after", "\nExamples:\n  $ uee up\n  $ uee up --workers 4 &  uee run all --wait")
    .action(async (_options: unknown, command: Command) => {
      finish(await up(context, command.optsWithGlobals<UpFlags>()));
    });
}

async function up(context: CliContext, flags: UpFlags): Promise<number> {
  const count = parseCount(flags.workers, "--workers", { max: 256 });
  const style = styleFor(context.stderr, context.env);
  const say = (text: string) => void context.stderr.write(`${text}\n`);
  const interrupts = context.interrupts();
  try {
    const session = await context.open({
      redis: "managed",
      patience: "service",
      flags,
      signal: interrupts.signal,
    });
    try {
      say(
        `${style.bold("Redis")}    ${session.redisDisplay}${session.localStore ? `, data in ${session.localStore}` : ""}`,
      );
      const children = startChildren({
        count,
        script: context.script,
        args: ["worker", ...childFlags(flags)],
        env: { ...context.env, REDIS_URL: session.redisUrl },
        onLost: ({ pid, how, left }) =>
          say(style.red(`Worker ${pid} ${how}; ${plural(left, "worker")} left.`)),
      });
      say(`${style.bold("Workers")}  ${plural(count, "process", "processes")}: ${children.pids.join(", ")}`);
      say(style.dim("Open a run from another terminal: uee run all --wait. Ctrl-C stops everything."));
      const killNow = () => children.kill();
      process.once("exit", killNow);
      const outcome = await Promise.race([
        untilAborted(interrupts.signal).then(() => "told" as const),
        children.allEnded.then(() => "lost" as const),
      ]);
      if (outcome === "told") {
        say("Stopping.");
        await children.stop(workerStopDeadlineMs + 5_000);
      } else say(style.red("No worker is left; see their messages above."));
      process.off("exit", killNow);
      return outcome === "told" ? EXIT.done : EXIT.failed;
    } finally {
      await session.close();
    }
  } catch (error) {
    if (interrupts.signal.aborted) return EXIT.done;
    throw error;
  } finally {
    interrupts.release();
  }
}

/** What was given as flags must reach the workers as flags; the environment they inherit. */
function childFlags(flags: GlobalFlags): string[] {
  return [
    ...(flags.config === undefined ? [] : ["--config", flags.config]),
    ...(flags.prefix === undefined ? [] : ["--prefix", flags.prefix]),
    ...(flags.logLevel === undefined ? [] : ["--log-level", flags.logLevel]),
  ];
}
