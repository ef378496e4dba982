/** `uee dlq replay`, `accept` and `purge`. */
import { UeeError } from "../../core/errors.ts";
import type {
  DeadLetterReport,
  DeadLetterSelection,
  Engine,
  PurgeReport,
  ReplayReport,
  RunProgress,
} from "../../engine/api.ts";
import { outlastingRedis, type WorkHere, workHere } from "../../session/seeThrough.ts";
import type { CliContext } from "../context.ts";
import { EXIT, exitOfSignal } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { invocation } from "../invocation.ts";
import { formatBytes, formatCount, plural } from "../render/numbers.ts";
import { styleFor } from "../render/style.ts";
import { withSession } from "../withSession.ts";
import { letterTable } from "./read.ts";
import { type ActionFlags, parseActionOptions, parseSelection } from "./selection.ts";

export interface ReplayFlags extends ActionFlags {
  wait?: boolean;
}

export interface PurgeFlags extends ActionFlags {
  yes?: boolean;
}

/** Dead letters named by id must all be found and processed; a filter may match nothing. */
const exitOf = (selection: DeadLetterSelection, report: DeadLetterReport): number =>
  "ids" in selection && report.done < selection.ids.length ? EXIT.failed : EXIT.done;

export async function replay(context: CliContext, ids: string[], flags: ReplayFlags): Promise<number> {
  const selection = await parseSelection(context, ids, flags);
  const options = parseActionOptions(context, flags);
  const interrupts = context.interrupts();
  try {
    return await withSession(context, { redis: "existing", flags }, async ({ engine, lost }) => {
      const report = await engine.deadLetters.replay(selection, { ...options, signal: interrupts.signal });
      const alone = !report.dryRun && report.done > 0 && (await engine.liveWorkers()).length === 0;
      const waits = (flags.wait === true || alone) && !report.dryRun && report.runs.length > 0;
      if (!flags.json) context.stdout.write(replayLines(context, report, waits));
      const runs = waits
        ? await seeThrough(engine, report, { alone, lost, interrupted: interrupts.signal })
        : [];
      if (flags.json) printJson(context, waits ? { ...report, ended: runs } : report);
      else if (waits) context.stdout.write(endLines(context, runs));
      if (interrupts.caught) return exitOfSignal(interrupts.caught);
      return runs.some(({ state }) => state !== "complete") ? EXIT.failed : exitOf(selection, report);
    });
  } finally {
    interrupts.release();
  }
}

/**
 * Waits for the runs of the replays, across an outage of Redis (`lost` fires when it lasts too long), and processes
 * them in this process when no worker is live.
 */
async function seeThrough(
  engine: Engine,
  { runs }: ReplayReport,
  { alone, lost, interrupted }: { alone: boolean; lost: AbortSignal; interrupted: AbortSignal },
): Promise<RunProgress[]> {
  const signal = AbortSignal.any([interrupted, lost]);
  let worker: WorkHere | undefined;
  try {
    if (alone) {
      const providers = [...new Set(runs.map(({ provider }) => provider))];
      worker = await outlastingRedis(signal, () => workHere(engine, providers));
    }
    return await Promise.all(
      runs.map(({ provider, runId }) =>
        outlastingRedis(signal, () => engine.waitForRun(provider, runId, { signal })),
      ),
    );
  } catch (error) {
    if (lost.aborted) throw lost.reason;
    if (interrupted.aborted) return [];
    throw error;
  } finally {
    await worker?.stop({ redisIsGone: lost.aborted });
  }
}

function replayLines(context: CliContext, report: ReplayReport, waits: boolean): string {
  const style = styleFor(context.stdout, context.env);
  const lines = [headline(context, report, "would be replayed", "replayed, each with a new job")];
  for (const { runId, letters, waitingFor } of report.runs) {
    const where = waitingFor === null ? "" : `, which waits: ${waitingFor}`;
    lines.push(`  ${formatCount(letters)} in run ${runId}${where}`);
  }
  if (report.badRecords > 0) {
    const many = plural(report.badRecords, "bad record");
    lines.push(
      style.dim(
        `${many}: the kept bytes are read again, the upstream is not asked. A run asks it, and settles`,
      ),
      style.dim("by itself what it then stores or no longer finds."),
    );
  }
  if (report.done > 0 && !report.dryRun && !waits) {
    lines.push(style.dim("Watch them: uee dlq list, or the same command with --wait."));
  }
  return `${lines.join("\n")}\n`;
}

function endLines(context: CliContext, runs: readonly RunProgress[]): string {
  const style = styleFor(context.stdout, context.env);
  return runs
    .map(({ provider, runId, kind, state, error }) => {
      const verdict = state === "complete" ? style.green(state) : style.red(state);
      const why = error === null ? "" : `: ${error.message}`;
      const next =
        kind === "replay" && state === "complete"
          ? style.dim(`\n  A replay verifies nothing: ${invocation(context)} run ${provider} does.`)
          : "";
      return `${style.bold(provider)}: run ${runId} ended ${verdict}${why}${next}\n`;
    })
    .join("");
}

export async function accept(context: CliContext, ids: string[], flags: ActionFlags): Promise<number> {
  const selection = await parseSelection(context, ids, flags);
  const options = parseActionOptions(context, flags);
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const report = await engine.deadLetters.accept(selection, options);
    if (flags.json) printJson(context, report);
    else {
      const done = "accepted: runs no longer count them, until the upstream sends other content";
      context.stdout.write(`${headline(context, report, "would be accepted", done)}\n`);
    }
    return exitOf(selection, report);
  });
}

export async function purge(context: CliContext, ids: string[], flags: PurgeFlags): Promise<number> {
  const selection = await parseSelection(context, ids, flags);
  const options = parseActionOptions(context, flags);
  const sure = flags.yes === true || options.dryRun === true;
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const report = await engine.deadLetters.purge(selection, sure ? options : { ...options, dryRun: true });
    if (flags.json) printJson(context, report);
    else {
      const lines = [headline(context, report, "would be purged", "purged"), `  ${lossOf(report)}`];
      context.stdout.write(`${lines.join("\n")}\n`);
    }
    if (!sure && report.done > 0) {
      throw new UeeError(
        "API_UNCONFIRMED",
        "Nothing was purged. What is purged is lost for ever: say --yes.",
      );
    }
    return exitOf(selection, report);
  });
}

function lossOf({ dryRun, lost }: PurgeReport): string {
  const parts = [
    ...(lost.batches > 0
      ? [`${plural(lost.batches, "batch", "batches")} of ${plural(lost.batchRecords, "record")}`]
      : []),
    ...(lost.records > 0
      ? [`${plural(lost.records, "bad record")} with ${formatBytes(lost.rawBytes)} of raw bytes`]
      : []),
  ];
  if (parts.length === 0) return "nothing is lost";
  const how = dryRun ? "would be lost to every replay" : "is lost to every replay";
  return `${parts.join(" and ")} ${how}; what the store holds stays, and runs fetch what the upstream has`;
}

function headline(context: CliContext, report: DeadLetterReport, would: string, did: string): string {
  const style = styleFor(context.stdout, context.env);
  const skipped = Object.entries(report.skipped)
    .map(([why, count]) => `${formatCount(count)} left (${why})`)
    .join(", ");
  const table = report.dryRun && report.sample.length > 0 ? [...letterTable(context, report.sample), ""] : [];
  const line = `${style.bold(plural(report.done, "dead letter"))} ${report.dryRun ? would : did}`;
  return [...table, `${line}${skipped === "" ? "" : `; ${skipped}`}.`].join("\n");
}
