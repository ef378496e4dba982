/**
 * What a run has proved when every batch has ended: it is verified, it is extended because more must be fetched, or it ends as
 * incomplete.
 */
import type { Edition } from "../core/edition.ts";
import { UeeError } from "../core/errors.ts";
import { parseTime } from "../core/time.ts";
import type { Attempt } from "../records/contract.ts";
import { deadLetterIdOf, isRecordKey } from "../recovery/deadLetters/deadLetter.ts";
import { replayDeadLetters } from "../recovery/deadLetters/replays.ts";
import type { BundleFacts } from "../runs/bundleBatches.ts";
import { addDueJobs } from "../runs/dueJobs.ts";
import { processActor } from "../runs/processIdentity.ts";
import type { RunRecord, StoredError } from "../runs/runRecord.ts";
import type { ProviderContext } from "./context.ts";
import { type Comparison, compared } from "./reconcile.ts";

/** Passes over an upstream before a run ends incomplete. */
const MAX_PASSES = 5;
/** Verifications in one run: passes and their extensions. */
const MAX_ROUNDS = 15;
const RETRIED_TOGETHER = 100;

export interface KeptVerdict {
  result: "complete" | "incomplete" | "failed";
  error: StoredError | null;
  /** Watermark and change key move. */
  verified: boolean;
  watermark: string | null;
  /** The edition of a snapshot that names one. */
  edition?: Edition;
  removals: boolean;
  notModified?: boolean;
  /** What a reconciliation has compared. */
  comparison?: Comparison;
}

const stored = (code: ConstructorParameters<typeof UeeError>[0], detail: string): StoredError => {
  const error = new UeeError(code, detail);
  return { code: error.code, message: error.detail };
};

const NOTHING_VERIFIED = { verified: false, watermark: null, removals: false };

export const incomplete = (...error: Parameters<typeof stored>): KeptVerdict => ({
  ...NOTHING_VERIFIED,
  result: "incomplete",
  error: stored(...error),
});

/** Verifies an open run in the name of its finish step. `extended`: batches were planned, and the run continues. */
export async function verifyRun(
  context: ProviderContext,
  read: RunRecord,
  attempt: Attempt,
): Promise<KeptVerdict | "extended"> {
  if (read.kind === "replay") return verifyReplays(read);
  const run = await withoutUnmet(context, read, attempt);
  if (run.deadBatches > 0) {
    if (run.retriesDeadBefore > 0 && (await retryDeadBatches(context, run, attempt))) return "extended";
    return await afterDeadBatches(context, run);
  }
  const results = await context.batches.results(run.id, run.pass);
  const found = results.map(({ result }) => result);
  const older = found.find((result) => result.older !== undefined)?.older;
  if (older !== undefined) return incomplete("PROV_OLDER_EDITION", older);
  if (found.length === 1 && found[0]?.notModified) return notModifiedVerdict(run);
  const edition = found.find((result) => result.facts?.edition !== undefined)?.facts?.edition;
  if (run.bundle !== null) return await bundleVerdict(context, run, run.bundle);
  let verdict = context.provider.verify({
    mode: run.mode,
    startedAt: run.startedAt,
    watermark: run.watermarkBefore,
    pass: run.pass,
    facts: results.flatMap(({ key, result }) => (result.facts ? [{ key, facts: result.facts }] : [])),
    unique: run.uniqueByPass[run.pass] ?? 0,
    regressed: await unconfirmedRegressions(context, run),
    doubles: run.doublesByPass[run.pass] ?? { count: 0, repeated: 0, ids: [] },
    newest: run.newest,
    now: new Date(await context.runs.now()).toISOString(),
  });
  if (verdict.kind === "ended") return incomplete(verdict.code, `${verdict.reason}.`);
  if (verdict.kind === "compared") {
    const comparison = await compared(context, run, verdict.feeds);
    return { ...NOTHING_VERIFIED, result: "complete", error: null, comparison };
  }
  const again = (reason: string) => {
    const { mode, startedAt, watermarkBefore: watermark } = run;
    const batches = context.provider.plan({ mode, startedAt, watermark, pass: run.pass + 1 });
    return { kind: "again" as const, reason, batches };
  };
  const refused = run.refusedByPass[run.pass] ?? 0;
  if (verdict.kind === "verified" && refused > 0) {
    verdict = again(`${refused} records were refused as older than what an earlier run had stored`);
  }
  if (verdict.kind === "verified" && run.dead > 0 && run.walkAgain && run.pass < MAX_PASSES) {
    // A person mended what was wrong and resumed: what was set aside before gets its chance.
    await context.runs.setFields(attempt, { walkAgain: "0" });
    verdict = again("resumed after too many errors");
  }
  if (verdict.kind === "verified") {
    return await verifiedVerdict(context, run, boundedWatermark(verdict.watermark, run), edition);
  }
  const pass = verdict.kind === "again" ? run.pass + 1 : run.pass;
  if (pass > MAX_PASSES || run.round >= MAX_ROUNDS) {
    return incomplete("PROV_NOT_VERIFIED", `After ${run.pass} passes: ${verdict.reason}.`);
  }
  if (verdict.kind === "again" && verdict.note !== undefined) {
    await context.runs.setFields(attempt, { note: verdict.note });
  }
  const { kind, reason } = verdict;
  const entries = await context.batches.extend(attempt, pass, reason, verdict.batches);
  const line = { event: "run_extended", runId: run.id, kind, pass, reason };
  context.logger.info(line, kind === "again" ? "walking again" : "walking on");
  await addDueJobs(context, run.id, entries, entries.length);
  return "extended";
}

/** All records were staged before the run opened: nothing can be asked for again. */
async function bundleVerdict(
  context: ProviderContext,
  run: RunRecord,
  bundle: BundleFacts,
): Promise<KeptVerdict> {
  const newer = (run.regressedByPass[run.pass] ?? 0) + (run.refusedByPass[run.pass] ?? 0);
  // @safeguard bundle-regressed
  if (newer > 0) {
    const said = `${newer} records of the store are newer than those of the bundle and were left as they are.`;
    return incomplete("STOR_BUNDLE_OLDER", said);
  }
  const unique = run.uniqueByPass[run.pass] ?? 0;
  if (unique !== bundle.records) {
    const said = `${unique} different records were received; the bundle counts ${bundle.records}.`;
    return incomplete("PROV_NOT_VERIFIED", said);
  }
  const watermark = boundedWatermark(bundle.watermark, run);
  return await verifiedVerdict(context, run, watermark, bundle.edition ?? undefined);
}

/** Versions lower than the stored one that this pass received, without those whose record it received again later. */
async function unconfirmedRegressions(context: ProviderContext, run: RunRecord): Promise<number> {
  if ((run.regressedByPass[run.pass] ?? 0) === 0) return 0;
  let unconfirmed = 0;
  for await (const some of context.records.regressions(run.id, run.pass)) {
    unconfirmed += some.filter(({ confirmed }) => !confirmed).length;
  }
  return unconfirmed;
}

/** What an earlier pass set aside and this one did not meet counts no more. */
async function withoutUnmet(context: ProviderContext, run: RunRecord, attempt: Attempt): Promise<RunRecord> {
  if (run.pass === 1 || run.dead + run.accepted === 0) return run;
  // @safeguard unmet-forgotten
  await context.badRecords.forgetUnmet(attempt);
  return (await context.runs.read(run.id)) ?? run;
}

/**
 * A person has resumed the run: each batch that was given up before gets one more chance, in this run. False when there is
 * none.
 */
async function retryDeadBatches(
  context: ProviderContext,
  run: RunRecord,
  attempt: Attempt,
): Promise<boolean> {
  await context.runs.setFields(attempt, { retriesDeadBefore: "0" });
  const dead = [...(await context.batches.statuses(run.id))].filter(
    ([key, { code }]) => code === "d" && !isRecordKey(key),
  );
  const letters = await context.deadLetters.many(dead.map(([key]) => deadLetterIdOf(run.id, key)));
  const ids = letters.filter(({ lastMs }) => lastMs < run.retriesDeadBefore).map(({ id }) => id);
  const by = { actor: processActor().name, reason: "the run was resumed" };
  let taken = 0;
  for (let i = 0; i < ids.length; i += RETRIED_TOGETHER) {
    const takes = await replayDeadLetters(context, ids.slice(i, i + RETRIED_TOGETHER), by);
    taken += takes.filter(({ kind }) => kind === "taken").length;
  }
  return taken > 0;
}

/** The upstream is the edition that the change key names, and so is the store: nothing was written since. */
function notModifiedVerdict(run: RunRecord): KeptVerdict {
  const error = badRecordsOf(run);
  const result = error ? "incomplete" : "complete";
  return {
    result,
    error,
    verified: true,
    watermark: boundedWatermark(run.watermarkBefore ?? run.startedAt, run),
    removals: false,
    notModified: true,
  };
}

const badRecordsOf = ({ dead }: RunRecord): StoredError | null =>
  dead > 0 ? stored("PROV_BAD_RECORDS", `${dead} bad records are among the dead letters.`) : null;

/** A run knows nothing of what happened after its own start, whatever the upstream dates its records and answers. */
function boundedWatermark(watermark: string | null, run: RunRecord): string | null {
  const at = parseTime(watermark);
  if (at === undefined) return null;
  // @safeguard watermark-before-start
  if (at > Date.parse(run.startedAt)) return run.startedAt;
  return watermark;
}

async function verifiedVerdict(
  context: ProviderContext,
  run: RunRecord,
  watermark: string | null,
  edition: Edition | undefined,
): Promise<KeptVerdict> {
  const bad = run.dead;
  const seesAll = seesTheWhole(context, run);
  const verdict: KeptVerdict = {
    result: bad > 0 ? "incomplete" : "complete",
    error: badRecordsOf(run),
    verified: true,
    watermark,
    ...(edition === undefined ? {} : { edition }),
    // A record without an id may be any of those that seem to be gone.
    removals: !run.nameless && run.namelessAccepted === 0 && seesAll,
  };
  if (bad > 0 || run.namelessAccepted === 0 || !seesAll) return verdict;
  // Accepted, they count as nothing; yet nothing may be removed, and a store that holds more than the upstream is not it.
  let gone = 0;
  for await (const ids of context.records.unseen(run.id, run.pass)) gone += ids.length;
  if (gone === 0) return verdict;
  const said = `${gone} records seem to be gone; any may be one of the ${run.namelessAccepted} accepted ones without an id.`;
  return { ...verdict, result: "incomplete", error: stored("PROV_BAD_RECORDS", said) };
}

export const seesTheWhole = (context: ProviderContext, run: RunRecord): boolean =>
  run.mode === "full" || context.provider.kind === "snapshot";

/** A replay run sees a few batches, never the whole: it verifies nothing, and moves neither watermark nor change key. */
function verifyReplays(run: RunRecord): KeptVerdict {
  const dead = run.deadAgain + run.dead + run.letters;
  if (dead === 0) return { ...NOTHING_VERIFIED, result: "complete", error: null };
  const said = `${run.deadAgain} of ${run.planned} replays gave up again; ${run.letters} dead letters are new.`;
  return incomplete("PROV_BATCH_DEAD", said);
}

/** A run without any committed batch failed, with the reason. A run that lacks batches is incomplete. */
async function afterDeadBatches(context: ProviderContext, run: RunRecord): Promise<KeptVerdict> {
  const statuses = [...(await context.batches.statuses(run.id))];
  const dead = statuses.find(([key, status]) => status.code === "d" && !key.startsWith("bad/"));
  const cause = dead ? (await context.batches.result(run.id, dead[0]))?.error : undefined;
  if (cause && !statuses.some(([, status]) => status.code === "c")) {
    return { ...NOTHING_VERIFIED, result: "failed", error: cause };
  }
  const why = cause ? ` (${cause.code})` : "";
  return incomplete("PROV_BATCH_DEAD", `${run.deadBatches} of ${run.planned} batches gave up${why}.`);
}
