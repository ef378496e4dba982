import { type ErrorCode, UeeError } from "../../core/errors.ts";
import type { RunSummary } from "../../engine/api.ts";
import { mapRedisError } from "../../redis/errors.ts";
import { parseProviders, person } from "../arguments.ts";
import { command, jsonOption, lookOf, reasonOption } from "../command.ts";
import type { CliContext, Session } from "../context.ts";
import { EXIT, exitOfSignal } from "../exits.ts";
import { printFailure, printJson } from "../output.ts";
import { makeProgressView } from "../render/progress.ts";
import { reconciledLines } from "../render/status.ts";
import { driveRuns } from "../runDriver.ts";

const options = {
  "--no-repair": "only compare: nothing is written",
  ...reasonOption,
  ...jsonOption,
} as const;

export const reconcile = command({
  name: "reconcile",
  summary: "compare the mirror with the official feeds, record by record",
  description:
    "Compares every stored record with the upstream's official feeds by content, and repairs what differs: records that " +
    "were edited without a new date, are missing, or are not in the feeds. What was modified after the feeds were made is " +
    "newer, not wrong. Exit 0 when nothing is left unexplained or unrepaired. Workers do this daily by schedule.",
  arguments: { "[provider]": "cve (the default): the provider that has official feeds" },
  options,
  examples: [
    "uee reconcile",
    "uee reconcile --no-repair --json | jq '{checked, equal, stale, missing, extra}'",
  ],
  run: compareAll,
});

interface Flags {
  /** Commander's name for the opposite of `--no-repair`. */
  repair?: boolean;
  reason?: string;
  json?: boolean;
}

async function compareAll(context: CliContext, given: object, words: string[]): Promise<number> {
  const flags = given as Flags;
  const [provider] = await parseProviders(context, words.length === 0 ? ["cve"] : words.slice(0, 1));
  const by = person(context, flags.reason);
  const interrupts = context.interrupts();
  const view = await makeProgressView(context, [provider!]);
  try {
    const session = await context.open({
      redis: "existing",
      patience: "command",
      flags: given,
      logTo: view.log,
      signal: interrupts.signal,
    });
    try {
      const { runs } = await driveRuns(session, [provider!], {
        ...{ mode: "reconcile", repair: flags.repair !== false, ...by },
        ...{ allowShrink: false, allowOlder: false, wait: true },
        interrupted: interrupts.signal,
        view,
      });
      view.stop();
      if (interrupts.caught) {
        printFailure(context, new UeeError("SYS_INTERRUPTED"), { json: flags.json === true });
        return exitOfSignal(interrupts.caught);
      }
      return await report(context, session, runs[0]!, flags.json === true);
    } finally {
      await session.close();
    }
  } catch (error) {
    throw mapRedisError(error);
  } finally {
    view.stop();
    interrupts.release();
  }
}

/** Prints what was found; a run that compared nothing is an error. */
async function report(
  context: CliContext,
  { engine }: Session,
  run: RunSummary,
  json: boolean,
): Promise<number> {
  const { provider, runId, durationMs, error } = run;
  const found = runId === "" ? null : (await engine.runProgress(provider, runId)).reconciled;
  if (found === null) {
    throw new UeeError((error?.code ?? "PROV_NOT_VERIFIED") as ErrorCode, error?.message);
  }
  const { checked, equal, newer, stale, missing, extra, repaired, unexplained, feeds } = found;
  if (json) {
    const counts = { checked, equal, newer, stale, missing, extra, repaired, unexplained };
    printJson(context, { provider, ...counts, feeds, durationMs });
  } else {
    context.stdout.write(`${reconciledLines(found, lookOf(context).style).join("\n")}\n`);
    if (error) context.stdout.write(`${error.code}: ${error.message}\n  ${error.remedy}\n`);
  }
  return unexplained === 0 && repaired === stale + missing + extra ? EXIT.done : EXIT.failed;
}
