import type { Command } from "commander";
import { UeeError } from "../../core/errors.ts";
import type { RunSummary } from "../../engine/api.ts";
import { mapRedisError } from "../../redis/errors.ts";
import { asRunError, nothingYet } from "../../session/runSummaries.ts";
import { gaveUpWaiting } from "../../session/waitedFor.ts";
import { personHere } from "../actor.ts";
import { parseDurationOption, parseProviders, parseReason } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT, exitOfRuns, exitOfSignal } from "../exitCodes.ts";
import { printFailure, printJson } from "../failures.ts";
import { invocation } from "../invocation.ts";

import { makeProgressView } from "../progressView.ts";
import { renderRunSummary } from "../render/runSummary.ts";
import { styleFor, widthOf } from "../render/style.ts";
import { driveRuns } from "../runDriver.ts";
import type { GlobalFlags } from "../sessionTypes.ts";

interface RunFlags extends GlobalFlags {
  full?: boolean;
  wait?: boolean;
  timeout?: string;
  allowShrink?: boolean;
  reason?: string;
  allowOlder?: boolean;
  json?: boolean;
}

/** What the command waits for before a run exists. */
const startClause = "Redis to answer, at start";

export const keylessNote =
  "No NVD_API_KEY: 5 requests in 30 s, about 19 min for a first load; Ctrl-C is safe";

export function defineRun(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("run")
    .summary("mirror providers: open a run, or join the open one")
    .description(
      "Opens a run of each provider, or joins the open one, and processes it. A provider that was never " +
        "verified complete is loaded in full; later runs fetch changes. Without a live worker the work is done in " +
        "this process, which then waits for the end. After any interruption the same command continues. A provider " +
        "that is paused ends the wait with the reason (exit 1).",
    )
    .argument("<provider...>", "<providers> or all")
    .option("--full", "fetch everything again; waits for an open incremental run first")
    .option("--wait", "help, show progress, end with a summary")
    .option(
      "--timeout <duration>",
      "with --wait: give up waiting after e.g. 30m (exit 1; the run stays open)",
    )
    .option("--allow-shrink", "accept that the upstream lost more than 5 % of its records")
    .option("--reason <text>", "reason; `uee status` and `uee history` show it")
    .option("--allow-older", "accept a catalogue that is older than the edition in the store")
    .option("--json", "print one JSON document with the contract's fields")
    .addHelpText(
      "after",
      `
Examples:
  $ uee run all --wait                  mirror everything
  $ uee run cve --full --wait           walk all of CVE again, removals included
  $ uee run cwe capec                   let the running workers do it
  $ uee run all --wait --json | jq '.runs[] | {provider, state}'`,
    )
    .action(async (words: string[], _options: unknown, command: Command) => {
      finish(await run(context, words, command.optsWithGlobals<RunFlags>()));
    });
}

async function run(context: CliContext, words: string[], flags: RunFlags): Promise<number> {
  const names = parseProviders(words, await context.providerNames());
  const timeoutMs = flags.timeout === undefined ? undefined : parseDurationOption(flags.timeout, "--timeout");
  const reason = parseReason(flags.reason);
  const style = styleFor(context.stderr, context.env);
  const interrupts = context.interrupts();
  const view = await makeProgressView(context, names);
  const time = new AbortController();
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => time.abort(gaveUpWaiting(startClause)), timeoutMs);
  try {
    const session = await context.open({
      redis: "managed",
      patience: "command",
      flags,
      logTo: view.log,
      signal: AbortSignal.any([interrupts.signal, time.signal]),
    });
    try {
      if (session.keyless && names.includes("cve")) view.log(keylessNote);
      if (session.localStore) view.log(style.dim(`Local store: ${session.localStore}`));
      const result = await driveRuns(session, names, {
        mode: flags.full ? "full" : "incremental",
        allowShrink: flags.allowShrink === true,
        actor: personHere(context.env),
        reason,
        allowOlder: flags.allowOlder === true,
        wait: flags.wait === true,
        timeUp: time.signal,
        interrupted: interrupts.signal,
        view,
        say: view.log,
      });
      view.stop();
      print(context, result.runs, { json: flags.json === true, waited: result.waited });
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
        return 1;
      }
      return result.waited ? exitOfRuns(result.runs) : result.runs.some((one) => one.error) ? 1 : 0;
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!interrupts.caught && !time.signal.aborted) throw mapRedisError(error);
    // Stopped before a run was opened.
    view.stop();
    if (interrupts.caught) {
      printFailure(context, new UeeError("SYS_INTERRUPTED"), { json: flags.json === true });
      return exitOfSignal(interrupts.caught);
    }
    const mode = flags.full ? "full" : "incremental";
    const tooLate = asRunError(time.signal.reason);
    const runs = names.map((name) => ({ ...nothingYet(name, { runId: "", mode }), error: tooLate }));
    print(context, runs, { json: flags.json === true, waited: true });
    return EXIT.failed;
  } finally {
    clearTimeout(timer);
    view.stop();
    interrupts.release();
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
  const style = styleFor(context.stdout, context.env);
  if (waited) {
    context.stdout.write(
      `\n${renderRunSummary(runs, { style, width: widthOf(context.stdout), uee: invocation(context) })}`,
    );
    return;
  }
  for (const one of runs) {
    context.stdout.write(
      one.error
        ? `${style.bold(one.provider)}: ${style.red(`${one.error.code}:`)} ${one.error.message}\n` +
            `  ${style.dim(one.error.remedy)}\n`
        : `${style.bold(one.provider)}: ${one.mode} run ${one.runId} is open; workers take it from here.\n`,
    );
  }
  if (runs.every((one) => one.error)) return;
  context.stdout.write(`${style.dim("Watch it: uee status, or the same command with --wait.")}\n`);
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
