import type { Command } from "commander";
import { UeeError } from "../../core/errors.ts";
import { isRedisTrouble, mapRedisError } from "../../redis/errors.ts";
import { parseDurationOption } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { findStale, renderStatus } from "../render/status.ts";
import { styleFor, widthOf } from "../render/style.ts";
import { formatClock } from "../render/times.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { watchScreen } from "../watchScreen.ts";
import { withSession } from "../withSession.ts";

interface StatusFlags extends GlobalFlags {
  watch?: boolean;
  check?: boolean;
  maxAge?: string;
  json?: boolean;
}

export function defineStatus(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("status")
    .summary("show the ETL tree: every provider, its runs and jobs")
    .description(
      "Shows the fleet's state and every provider: its state, verified or not, how fresh, how many records, the open " +
        "run, why it waits and for how long, who paused it and why, a circuit breaker that is open, the last run's result, " +
        "and its jobs.",
    )
    .option("--watch", "draw it anew every two seconds, until Ctrl-C")
    .option("--check", "exit 1 when a provider is unverified, paused or stale")
    .option("--max-age <duration>", "with --check: stale when last verified longer ago, e.g. 6h")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee status
  $ uee status --watch                  what happens, as it happens
  $ uee status --check --max-age 6h     for monitoring
  $ uee status --json | jq '.providers[] | {provider, verified, watermark}'`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await status(context, command.optsWithGlobals<StatusFlags>()));
    });
}

async function status(context: CliContext, flags: StatusFlags): Promise<number> {
  if (flags.watch) return watch(context, flags);
  const maxAgeMs = flags.maxAge === undefined ? undefined : parseDurationOption(flags.maxAge, "--max-age");
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const [found, breakers] = await Promise.all([engine.status(), engine.breakers()]);
    const now = Date.parse(found.at);
    const problems = flags.check || maxAgeMs !== undefined ? findStale(found, maxAgeMs, now) : [];
    if (flags.json) printJson(context, { ...found, breakers });
    else {
      const style = styleFor(context.stdout, context.env);
      context.stdout.write(renderStatus(found, { style, now, width: widthOf(context.stdout) }, breakers));
    }
    const style = styleFor(context.stderr, context.env);
    for (const { provider, problem } of problems) {
      context.stderr.write(`${style.red("Check failed:")} ${provider} ${problem}.\n`);
    }
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  });
}

const watchEveryMs = 2_000;

async function watch(context: CliContext, flags: StatusFlags): Promise<number> {
  if (flags.json || flags.check || flags.maxAge !== undefined) {
    throw new UeeError(
      "SYS_USAGE",
      "--watch draws for people: it goes with none of --json, --check and --max-age.",
    );
  }
  const interrupts = context.interrupts();
  try {
    return await withSession(context, { redis: "existing", flags }, async ({ engine, lost }) => {
      const signal = AbortSignal.any([interrupts.signal, lost]);
      let shown = "";
      const look = async (): Promise<string> => {
        const style = styleFor(context.stdout, context.env);
        try {
          const [found, breakers] = await Promise.all([engine.status(), engine.breakers()]);
          const now = Date.parse(found.at);
          const clock = style.dim(`${formatClock(now)}, every ${watchEveryMs / 1_000} s; Ctrl-C ends it`);
          shown = renderStatus(found, { style, now, width: widthOf(context.stdout) }, breakers);
          return `${shown}${clock}\n`;
        } catch (error) {
          if (!isRedisTrouble(error)) throw error;
          return `${shown}${style.yellow(`As it was: ${mapRedisError(error).detail}`)}\n`;
        }
      };
      await watchScreen({ terminal: context.stdout, everyMs: watchEveryMs, signal, look });
      if (lost.aborted) throw lost.reason;
      // Watching has no other end than being told to stop.
      return EXIT.done;
    });
  } finally {
    interrupts.release();
  }
}
