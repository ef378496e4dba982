import type { RunSummary } from "../../engine/api.ts";
import { asRunError, nothingYet } from "../../session/runs.ts";
import { gaveUpWaiting } from "../../session/waitedFor.ts";
import { parseDurationOption, parseProviders, person } from "../arguments.ts";
import { command, type Ending, type FlagsOf, lookOf } from "../command.ts";
import type { CliContext } from "../context.ts";
import { EXIT, exitOfRuns, exitOfSignal } from "../exits.ts";
import { invocation, printJson } from "../output.ts";
import { renderRunSummary, runErrors } from "../render/runSummary.ts";
import { styleFor } from "../render/text.ts";
import { driveRuns, withProgress } from "../runDriver.ts";

/** What the command waits for before a run exists. */
const startClause = "Redis to answer, at start";

const keylessNote =
  "No NVD_API_KEY and no year feeds: 5 requests in 30 s, about 19 min for a first load; Ctrl-C is safe";

const options = {
  "--full": "fetch everything again; waits for an open incremental run first",
  "--wait": "help, show progress, end with a summary",
  "--timeout <duration>": "with --wait: give up waiting after e.g. 30m (exit 1; the run stays open)",
  "--allow-shrink": "accept that the upstream lost more than 5 % of its records",
  "--reason <text>": "reason; `uee status` and `uee history` show it",
  "--allow-older": "accept a catalogue that is older than the edition in the store",
  "--json": "print one JSON document with the contract's fields",
} as const;
type RunFlags = FlagsOf<typeof options>;

export const run = command({
  name: "run",
  summary: "mirror providers: open a run, or join the open one",
  description:
    "Opens a run of each provider, or joins the open one, and processes it. A provider that was never " +
    "verified complete is loaded in full; later runs fetch changes. Without a live worker the work is done in " +
    "this process, which then waits for the end. After any interruption the same command continues. A provider " +
    "that is paused ends the wait with the reason (exit 1).",
  arguments: { "<provider...>": "<providers> or all" },
  options,
  examples: [
    "uee run all --wait                  mirror everything",
    "uee run cve --full --wait           walk all of CVE again, removals included",
    "uee run cwe capec                   let the running workers do it",
    "uee run all --wait --json | jq '.runs[] | {provider, state}'",
  ],
  run: mirror,
});

async function mirror(context: CliContext, flags: RunFlags, words: string[]): Promise<Ending> {
  const names = await parseProviders(context, words);
  const timeoutMs = parseDurationOption(flags.timeout, "--timeout");
  const mode = flags.full ? "full" : "incremental";
  const by = person(context, flags.reason);
  const style = styleFor(context.stderr, context.env);
  const json = flags.json === true;
  const time = new AbortController();
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => time.abort(gaveUpWaiting(startClause)), timeoutMs);
  const request = { redis: "managed", flags, timeUp: time.signal } as const;
  try {
    return await withProgress(context, names, request, async ({ session, view, interrupts }) => {
      if (session.keyless && names.includes("cve")) view.log(keylessNote);
      if (session.localStore) view.log(style.dim(`Local store: ${session.localStore}`));
      const result = await driveRuns(session, names, {
        ...{ mode, ...by },
        allowShrink: flags.allowShrink === true,
        allowOlder: flags.allowOlder === true,
        wait: flags.wait === true,
        timeUp: time.signal,
        interrupted: interrupts.signal,
        view,
      });
      view.stop();
      print(context, result.runs, { json, waited: result.waited });
      if (interrupts.caught) {
        context.stderr.write(
          `${style.yellow("Interrupted.")} Committed batches stay; the same command continues: ` +
            `${style.cyan(`${invocation(context)} ${sameCommand(words, flags)}`)}\n`,
        );
        return exitOfSignal(interrupts.caught);
      }
      if (result.timedOut) {
        context.stderr.write(
          `${style.yellow("Time is up")} after ${flags.timeout}; the runs stay open and the same command continues.\n`,
        );
        return EXIT.failed;
      }
      if (result.waited) return exitOfRuns(result.runs);
      return result.runs.some((one) => one.error) ? EXIT.failed : EXIT.done;
    });
  } catch (error) {
    if (!time.signal.aborted) throw error;
    // Time was up before a run was opened.
    const tooLate = asRunError(time.signal.reason);
    const runs = names.map((name) => ({ ...nothingYet(name, { runId: "", mode }), error: tooLate }));
    print(context, runs, { json, waited: true });
    return EXIT.failed;
  } finally {
    clearTimeout(timer);
  }
}

function print(
  context: CliContext,
  runs: readonly RunSummary[],
  { json, waited }: { json: boolean; waited: boolean },
): void {
  if (json) {
    printJson(context, { runs });
    return;
  }
  const look = lookOf(context);
  const { style } = look;
  if (waited) {
    context.stdout.write(`\n${renderRunSummary(runs, { ...look, uee: invocation(context) })}`);
    return;
  }
  const lines = runs.flatMap((one) => {
    const open = `${style.bold(one.provider)}: ${one.mode} run ${one.runId} is open; workers take it from here.`;
    return one.error ? runErrors([one], style) : [open];
  });
  const hint = style.dim("Watch it: uee status, or the same command with --wait.");
  const shown = runs.every((one) => one.error) ? lines : [...lines, hint];
  context.stdout.write(`${shown.join("\n")}\n`);
}

function sameCommand(words: readonly string[], flags: RunFlags): string {
  const parts = ["run", ...words];
  if (flags.full) parts.push("--full");
  if (flags.wait) parts.push("--wait");
  if (flags.allowShrink) parts.push("--allow-shrink");
  if (flags.reason !== undefined) parts.push(`--reason ${JSON.stringify(flags.reason)}`);
  if (flags.allowOlder) parts.push("--allow-older");
  return parts.join(" ");
}
