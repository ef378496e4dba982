import type { Command } from "commander";
import { UeeError } from "../../core/errors.ts";
import type { BreakerView, Engine, EngineStatus } from "../../engine/api.ts";
import { isRedisTrouble, mapRedisError } from "../../redis/errors.ts";
import { fleetProblems, problemsOf } from "../../session/problems.ts";
import { parseDurationOption, parseProvider } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { oneLine } from "../render/machine.ts";
import { renderStatus } from "../render/status.ts";
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
    .argument("[provider]", "only this one")
    .description(
      "Shows the fleet's state and every provider: its state, verified or not, how fresh, how many records, the open " +
        "run, why it waits and for how long, who paused it and why, a circuit breaker that is open, the last run's result, " +
        "and its jobs.",
    )
    .option("--watch", "redraw it every two seconds, until Ctrl-C")
    .option(
      "--check",
      "exit 1 when one is stale, paused, unverified or overdue, its last run ended incomplete or failed, it has dead " +
        "letters, or jobs wait that no worker takes",
    )
    .option(
      "--max-age <duration>",
      "with --check: stale when last verified longer ago, e.g. 6h; default: its schedule missed twice",
    )
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee status
  $ uee status cve                      one provider
  $ uee status --watch                  what happens, as it happens
  $ uee status --check --max-age 6h     for monitoring
  $ uee status --json | jq '.providers[] | {provider, verified, watermark}'`,
    )
    .action(async (provider: string | undefined, _options: unknown, command: Command) => {
      finish(await status(context, provider, command.optsWithGlobals<StatusFlags>()));
    });
}

interface Look {
  found: EngineStatus;
  breakers: BreakerView[];
}

/** For all providers, or for the requested one. */
async function lookAt(engine: Engine, only: string | undefined): Promise<Look> {
  const [found, breakers] = await Promise.all([engine.status(), engine.breakers()]);
  if (only === undefined) return { found, breakers };
  return {
    found: { ...found, providers: found.providers.filter(({ provider }) => provider === only) },
    breakers: breakers.filter(({ upstream }) => upstream === only),
  };
}

async function status(context: CliContext, word: string | undefined, flags: StatusFlags): Promise<number> {
  const only = word === undefined ? undefined : parseProvider(word, await context.providerNames());
  if (flags.watch) return watch(context, only, flags);
  const maxAgeMs = flags.maxAge === undefined ? undefined : parseDurationOption(flags.maxAge, "--max-age");
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const { found, breakers } = await lookAt(engine, only);
    const now = Date.parse(found.at);
    const problems =
      flags.check || maxAgeMs !== undefined
        ? [
            ...fleetProblems(found),
            ...found.providers.flatMap((provider) => problemsOf(provider, now, maxAgeMs)),
          ]
        : [];
    if (flags.json) printJson(context, { ...found, breakers });
    else {
      const style = styleFor(context.stdout, context.env);
      context.stdout.write(renderStatus(found, { style, now, width: widthOf(context.stdout) }, breakers));
    }
    const style = styleFor(context.stderr, context.env);
    for (const { text } of problems)
      context.stderr.write(`${style.red("Check failed:")} ${oneLine(text)}.\n`);
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  });
}

const watchEveryMs = 2_000;

async function watch(context: CliContext, only: string | undefined, flags: StatusFlags): Promise<number> {
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
          const { found, breakers } = await lookAt(engine, only);
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
      // Watching ends only when the process is told to stop.
      return EXIT.done;
    });
  } finally {
    interrupts.release();
  }
}
