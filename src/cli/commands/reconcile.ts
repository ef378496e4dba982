import { type ErrorCode, UeeError } from "../../core/errors.ts";
import type { RunSummary } from "../../engine/api.ts";
import { parseProviders, person } from "../arguments.ts";
import { command, jsonOption, lookOf, reasonOption } from "../command.ts";
import type { CliContext, Session } from "../context.ts";
import { EXIT } from "../exits.ts";
import { printJson } from "../output.ts";
import { reconciledLines } from "../render/status.ts";
import { driveRuns, withProgress } from "../runDriver.ts";

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
  async run(context, { repair = true, ...flags }, words) {
    const [provider] = await parseProviders(context, words.length === 0 ? ["cve"] : words.slice(0, 1));
    const by = person(context, flags.reason);
    return withProgress(context, [provider!], { redis: "existing", flags }, async (driving) => {
      const { session, view, interrupts } = driving;
      const { runs } = await driveRuns(session, [provider!], {
        ...{ mode: "reconcile", repair, ...by },
        ...{ allowShrink: false, allowOlder: false, wait: true },
        interrupted: interrupts.signal,
        view,
      });
      view.stop();
      if (interrupts.caught) throw new UeeError("SYS_INTERRUPTED");
      return await report(context, session, runs[0]!, flags.json === true);
    });
  },
});

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
