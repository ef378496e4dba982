import { UeeError } from "../../core/errors.ts";
import type { Engine } from "../../engine/api.ts";
import { Paces } from "../../engine/pace.ts";
import { isRedisTrouble, mapRedisError } from "../../redis/errors.ts";
import { fleetProblems, problemsOf } from "../../session/problems.ts";
import { maybeProvider, parseDurationOption } from "../arguments.ts";
import { answer, command, jsonOption, lookOf, untilStopped } from "../command.ts";
import type { CliContext, GlobalFlags } from "../context.ts";
import { EXIT } from "../exits.ts";
import { watchScreen } from "../output.ts";
import { statusLines } from "../render/status.ts";
import { formatClock, oneLine, styleFor } from "../render/text.ts";

export const status = command({
  name: "status",
  summary: "show the ETL tree: every provider, its runs and jobs",
  arguments: { "[provider]": "only this one" },
  description:
    "Shows the fleet's state and every provider: its state, verified or not, how fresh, how many records, the open " +
    "run, why it waits and for how long, who paused it and why, a circuit breaker that is open, the last run's result, " +
    "and its jobs.",
  options: {
    "--watch": "redraw it every two seconds, until Ctrl-C",
    "--check":
      "exit 1 when one is stale, paused, unverified or overdue, its last run ended incomplete or failed, it has dead " +
      "letters, or jobs wait that no worker takes",
    "--max-age <duration>":
      "with --check: stale when last verified longer ago, e.g. 6h; default: its schedule missed twice",
    ...jsonOption,
  },
  examples: [
    "uee status",
    "uee status cve                      one provider",
    "uee status --watch                  what happens, as it happens",
    "uee status --check --max-age 6h     for monitoring",
    "uee status --json | jq '.providers[] | {provider, verified, watermark}'",
  ],
  async run(context, flags, [word]) {
    const only = await maybeProvider(context, word);
    const maxAgeMs = parseDurationOption(flags.maxAge, "--max-age");
    if (flags.watch) {
      if (!flags.json && !flags.check && maxAgeMs === undefined) return watch(context, only, flags);
      const why = "--watch draws for people: it goes with none of --json, --check and --max-age.";
      throw new UeeError("SYS_USAGE", why);
    }
    const found = await answer(context, flags, (engine) => fleetOf(engine, only), statusLines);
    if (!flags.check && maxAgeMs === undefined) return;
    const now = Date.parse(found.at);
    const ofProviders = found.providers.flatMap((provider) => problemsOf(provider, now, maxAgeMs));
    const problems = [...fleetProblems(found), ...ofProviders];
    const style = styleFor(context.stderr, context.env);
    for (const { text } of problems) {
      context.stderr.write(`${style.red("Check failed:")} ${oneLine(text)}.\n`);
    }
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  },
});

/** For all providers, or for the requested one. */
async function fleetOf(engine: Engine, only: string | undefined) {
  const [found, breakers] = await Promise.all([engine.status(), engine.breakers()]);
  const wanted = (name: string): boolean => only === undefined || name === only;
  return {
    ...found,
    providers: found.providers.filter(({ provider }) => wanted(provider)),
    breakers: breakers.filter(({ upstream }) => wanted(upstream)),
  };
}

const watchEveryMs = 2_000;

/** Ends only when the process is told to stop. */
async function watch(context: CliContext, only: string | undefined, flags: GlobalFlags): Promise<void> {
  await untilStopped(context, flags, async ({ engine }, signal) => {
    let shown = "";
    const paces = new Paces();
    const look = async (): Promise<string> => {
      const how = lookOf(context);
      const { style } = how;
      try {
        const found = await fleetOf(engine, only);
        const clock = `${formatClock(Date.parse(found.at))}, every ${watchEveryMs / 1_000} s; Ctrl-C ends it`;
        const open = found.providers.flatMap(({ openRun }) => openRun ?? []);
        paces.look(open, Date.parse(found.at));
        shown = `${statusLines(found, { ...how, paces }).join("\n")}\n`;
        return `${shown}${style.dim(clock)}\n`;
      } catch (error) {
        if (!isRedisTrouble(error)) throw error;
        return `${shown}${style.yellow(`As it was: ${mapRedisError(error).detail}`)}\n`;
      }
    };
    await watchScreen({ terminal: context.stdout, everyMs: watchEveryMs, signal, look });
  });
}
