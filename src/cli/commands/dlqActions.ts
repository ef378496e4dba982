/** `uee dlq replay`, `accept` and `purge`. */
import { parseRate } from "../../config/index.ts";
import { UeeError } from "../../core/errors.ts";
import type {
  DeadLetterActionOptions,
  DeadLetterReport,
  DeadLetterSelection,
  Engine,
  PurgeReport,
  ReplayReport,
  RunProgress,
} from "../../engine/api.ts";
import { LocalWork } from "../../session/localWork.ts";
import { outlastingRedis } from "../../session/runs.ts";
import { parseCount, person } from "../arguments.ts";
import {
  answer,
  command,
  type FlagsOf,
  interruptible,
  jsonOption,
  type Look,
  lookOf,
  reasonOption,
  withSession,
} from "../command.ts";
import type { CliContext } from "../context.ts";
import { EXIT, exitOfSignal } from "../exits.ts";
import { invocation, printJson } from "../output.ts";
import { formatBytes, formatCount, plural } from "../render/text.ts";
import { dlqReads, filterOptions, letterTable, parseFilter } from "./dlq.ts";

const actionOptions = {
  ...filterOptions,
  "--limit <n>": "at most this many, newest failures first",
  "--rate <rate>": "at most this many per period, e.g. 100/1m; the command runs until all are processed",
  "--dry-run": "only show what would be done",
  ...reasonOption,
  ...jsonOption,
} as const;

const idsArgument = { "[id...]": "ids that `uee dlq list` prints; default: all that match the filters" };

/** The ids, or else the filter, which without conditions selects all; never both. */
async function parseAction(
  context: CliContext,
  flags: FlagsOf<typeof actionOptions>,
  ids: readonly string[],
): Promise<[DeadLetterSelection, DeadLetterActionOptions]> {
  const filter = await parseFilter(context, flags);
  const rate = flags.rate === undefined ? undefined : parseRate(flags.rate);
  if (flags.rate !== undefined && typeof rate !== "object") {
    throw new UeeError("SYS_USAGE", `--rate is '${flags.rate}'; it takes a rate such as 100/1m.`);
  }
  const limit = flags.limit === undefined ? undefined : parseCount(flags.limit, "--limit");
  const options = {
    ...person(context, flags.reason),
    limit,
    rate,
    dryRun: flags.dryRun,
  } as DeadLetterActionOptions;
  if (ids.length === 0) return [filter, options];
  if (Object.values(filter).every((condition) => condition === undefined)) return [{ ids }, options];
  throw new UeeError("SYS_USAGE", "Name dead letters by their ids or by filters, not by both.");
}

/** Dead letters named by id must all be found and processed; a filter may match nothing. */
const exitOf = (selection: DeadLetterSelection, report: DeadLetterReport): number =>
  "ids" in selection && report.done < selection.ids.length ? EXIT.failed : EXIT.done;

const replay = command({
  name: "replay",
  summary: "run dead letters again, each as a new job",
  description:
    "Creates one new job with new attempts for each dead letter; repeated requests create no second job. One whose " +
    "run is open continues there; others get a replay run, which opens as soon as no other run is open. One that fails again is " +
    "a dead letter again. Without a live worker this process does the work, and waits.",
  arguments: idsArgument,
  options: { ...actionOptions, "--wait": "wait for the end of the replays" },
  examples: [
    "uee dlq replay --provider cve --wait",
    "uee dlq replay d-1f0c… r-77aa…",
    "uee dlq replay --code PROV_BAD_JSON --rate 100/1m",
    "uee dlq replay --dry-run",
  ],
  async run(context, flags, ids) {
    const [selection, options] = await parseAction(context, flags, ids);
    return interruptible(context, flags, (interrupts) =>
      withSession(context, { redis: "existing", flags }, async ({ engine, lost }) => {
        const report = await engine.deadLetters.replay(selection, { ...options, signal: interrupts.signal });
        const alone = !report.dryRun && report.done > 0 && (await engine.liveWorkers()).length === 0;
        const waits = (flags.wait === true || alone) && !report.dryRun && report.runs.length > 0;
        const look = lookOf(context);
        if (!flags.json) context.stdout.write(replayText(report, waits, look));
        const runs = waits
          ? await seeThrough(engine, report, { alone, lost, interrupted: interrupts.signal })
          : [];
        if (flags.json) printJson(context, waits ? { ...report, ended: runs } : report);
        else for (const run of runs) context.stdout.write(endText(context, run, look));
        if (interrupts.caught) return exitOfSignal(interrupts.caught);
        return runs.some(({ state }) => state !== "complete") ? EXIT.failed : exitOf(selection, report);
      }),
    );
  },
});

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
  const work = new LocalWork({ engine, redisIsGone: () => lost.aborted });
  const providers = [...new Set(runs.map(({ provider }) => provider))];
  const wait = () =>
    Promise.all(
      runs.map(({ provider, runId }) =>
        outlastingRedis(signal, () => engine.waitForRun(provider, runId, { signal })),
      ),
    );
  try {
    return await (alone ? outlastingRedis(signal, () => work.help(providers, signal, wait)) : wait());
  } catch (error) {
    if (lost.aborted) throw lost.reason;
    if (interrupted.aborted) return [];
    throw error;
  }
}

function replayText(report: ReplayReport, waits: boolean, look: Look): string {
  const { style } = look;
  const lines = headLines(report, "would be replayed", "replayed, each with a new job", look);
  for (const { runId, letters, waitingFor } of report.runs) {
    const where = waitingFor === null ? "" : `, which waits: ${waitingFor}`;
    lines.push(`  ${formatCount(letters)} in run ${runId}${where}`);
  }
  if (report.badRecords > 0) {
    const again = "the kept bytes are read again, the upstream is not asked. A run asks it, and settles";
    lines.push(style.dim(`${plural(report.badRecords, "bad record")}: ${again}`));
    lines.push(style.dim("by itself what it then stores or no longer finds."));
  }
  if (report.done > 0 && !report.dryRun && !waits) {
    lines.push(style.dim("Watch them: uee dlq list, or the same command with --wait."));
  }
  return `${lines.join("\n")}\n`;
}

function endText(
  context: CliContext,
  { provider, runId, kind, state, error }: RunProgress,
  { style }: Look,
): string {
  const verdict = state === "complete" ? style.green(state) : style.red(state);
  const why = error === null ? "" : `: ${error.message}`;
  const verify = `\n  A replay verifies nothing: ${invocation(context)} run ${provider} does.`;
  const next = kind === "replay" && state === "complete" ? style.dim(verify) : "";
  return `${style.bold(provider)}: run ${runId} ended ${verdict}${why}${next}\n`;
}

const accept = command({
  name: "accept",
  summary: "accept bad records until they change",
  description:
    "Runs whose only bad records are accepted ones end complete. The store keeps the older versions of these " +
    "records. When the upstream sends other content for one, it counts again.",
  arguments: idsArgument,
  options: actionOptions,
  examples: [
    'uee dlq accept r-77aa… --reason "NVD knows, ticket 4711"',
    "uee dlq accept --provider cve --code VAL_RECORD_FIELD --dry-run",
  ],
  async run(context, flags, ids) {
    const [selection, options] = await parseAction(context, flags, ids);
    const ask = (engine: Engine) => engine.deadLetters.accept(selection, options);
    const done = "accepted: runs no longer count them, until the upstream sends other content";
    const report = await answer(context, flags, ask, (found, look) =>
      headLines(found, "would be accepted", done, look),
    );
    return exitOf(selection, report);
  },
});

const purge = command({
  name: "purge",
  summary: "delete dead letters permanently",
  description:
    "Deletes dead letters with their raw bytes, and lists what is lost. Without --yes it only lists it, and exits with 1. " +
    "Dead letters that are being replayed are kept.",
  arguments: idsArgument,
  options: { ...actionOptions, "--yes": "really" },
  examples: [
    "uee dlq purge --provider attack --older-than 30d",
    'uee dlq purge d-1f0c… --yes --reason "obsolete"',
  ],
  async run(context, flags, ids) {
    const [selection, options] = await parseAction(context, flags, ids);
    const sure = flags.yes === true || options.dryRun === true;
    const how = sure ? options : { ...options, dryRun: true };
    const ask = (engine: Engine) => engine.deadLetters.purge(selection, how);
    const report = await answer(context, flags, ask, (found, look) => [
      ...headLines(found, "would be purged", "purged", look),
      `  ${lossOf(found)}`,
    ]);
    if (sure || report.done === 0) return exitOf(selection, report);
    const why = "Nothing was purged. What is purged is lost for ever: say --yes.";
    throw new UeeError("API_UNCONFIRMED", why);
  },
});

function lossOf({ dryRun, lost }: PurgeReport): string {
  const parts: string[] = [];
  if (lost.batches > 0) {
    parts.push(`${plural(lost.batches, "batch", "batches")} of ${plural(lost.batchRecords, "record")}`);
  }
  if (lost.records > 0) {
    parts.push(`${plural(lost.records, "bad record")} with ${formatBytes(lost.rawBytes)} of raw bytes`);
  }
  if (parts.length === 0) return "nothing is lost";
  const how = dryRun ? "would be lost to every replay" : "is lost to every replay";
  return `${parts.join(" and ")} ${how}; what the store holds stays, and runs fetch what the upstream has`;
}

function headLines(report: DeadLetterReport, would: string, did: string, look: Look): string[] {
  const skipped = Object.entries(report.skipped).map(([why, count]) => `${formatCount(count)} left (${why})`);
  const table = report.dryRun && report.sample.length > 0 ? [...letterTable(report.sample, look), ""] : [];
  const line = `${look.style.bold(plural(report.done, "dead letter"))} ${report.dryRun ? would : did}`;
  return [...table, `${line}${skipped.length === 0 ? "" : `; ${skipped.join(", ")}`}.`];
}

export const dlq = command({
  name: "dlq",
  summary: "manage dead letters: batches and records that failed permanently",
  description:
    "Dead letters are batches and records that failed permanently, each with its code; bad records keep their raw bytes. None is " +
    "removed automatically: replay, accept or purge them.",
  commands: [...dlqReads, replay, accept, purge],
});
