/**
 * The last step of a run, when every batch has ended: verifies what was received. A verified run begins to close, removes what
 * the upstream no longer has and moves watermark and change key. Any other is extended, or ends as incomplete.
 *
 * After a crash the step is repeated: an open run is verified again, a closing run continues with its stored verdict.
 */
import type { Edition } from "../core/edition.ts";
import { UeeError } from "../core/errors.ts";
import { parseTime } from "../core/time.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import { cleanUp } from "../recovery/closedRuns.ts";
import { deadLetterIdOf, isRecordKey } from "../recovery/deadLetters/deadLetter.ts";
import { openReplays, replayDeadLetters } from "../recovery/deadLetters/replays.ts";
import { DeadLetterSweeper } from "../recovery/deadLetters/sweeper.ts";
import { addDueJobs } from "../runs/dueJobs.ts";
import { processActor } from "../runs/processIdentity.ts";
import type { RunRecord, StoredError } from "../runs/runRecord.ts";
import type { BatchSummary } from "./attempt.ts";
import type { ProviderContext } from "./context.ts";

/** Passes over an upstream before a run ends incomplete. */
const MAX_PASSES = 5;
/** Judgements in one run: passes and their extensions. */
const MAX_ROUNDS = 15;
const RETRIED_TOGETHER = 100;
/** Removals beyond both bounds wait for a person. */
const SHRINK_SHARE = 0.05;
const SHRINK_COUNT = 20;

interface KeptVerdict {
  result: "complete" | "incomplete" | "failed";
  error: StoredError | null;
  /** Watermark and change key move. */
  verified: boolean;
  watermark: string | null;
  /** The edition of a snapshot that names one. */
  edition?: Edition;
  removals: boolean;
  notModified?: boolean;
}

const stored = (code: ConstructorParameters<typeof UeeError>[0], detail: string): StoredError => {
  const error = new UeeError(code, detail);
  return { code: error.code, message: error.detail };
};

const NOTHING_VERIFIED = { verified: false, watermark: null, removals: false };

const incomplete = (error: StoredError): KeptVerdict => ({
  ...NOTHING_VERIFIED,
  result: "incomplete",
  error,
});

export async function finishRun(
  context: ProviderContext,
  job: BatchJob,
  signal: AbortSignal,
): Promise<BatchSummary> {
  const begun = await context.batches.begin(job.runId, job.batch, "finish");
  const run = await context.runs.read(job.runId);
  if (run === undefined) return { skipped: "run gone" };
  if (begun.kind !== "begun") {
    // Killed between closing and cleaning: only the cleaning is left.
    await ended(context, run.id);
    return { skipped: begun.kind };
  }
  const { attempt } = begun;
  let verdict: KeptVerdict;
  if (run.state === "closing") {
    verdict = JSON.parse(run.verdict as string) as KeptVerdict;
  } else {
    if (run.outstanding > 0) return { skipped: "batches outstanding" };
    context.onStep("verify", "before", job.batch);
    const judged = await judgeRun(context, run, attempt);
    context.onStep("verify", "after", job.batch);
    if (judged === "walks on") return { extended: true };
    verdict = judged;
    if (!(await context.runs.beginClosing(attempt, verdict))) return { skipped: "batches outstanding" };
  }
  verdict = await stillNamed(context, verdict);
  context.onStep("remove", "before", job.batch);
  if (verdict.removals) verdict = await removeUnseen(context, run, attempt, verdict, signal);
  context.onStep("remove", "after", job.batch);

  context.onStep("close", "before", job.batch);
  await context.runs.close(
    attempt,
    verdict.result,
    verdict.error,
    metaAfter(context, run, verdict, await context.runs.now()),
  );
  context.onStep("close", "after", job.batch);
  await ended(context, run.id);
  context.logger.info(
    { event: "run_closed", runId: run.id, result: verdict.result, code: verdict.error?.code },
    `run ${verdict.result}`,
  );
  return { result: verdict.result };
}

async function judgeRun(
  context: ProviderContext,
  read: RunRecord,
  attempt: Attempt,
): Promise<KeptVerdict | "walks on"> {
  if (read.kind === "replay") return judgeReplays(read);
  const run = await withoutUnmet(context, read, attempt);
  if (run.deadBatches > 0) {
    if (run.retriesDeadBefore > 0 && (await retryDeadBatches(context, run, attempt))) return "walks on";
    return await afterDeadBatches(context, run);
  }
  const results = await context.batches.results(run.id, run.pass);
  const found = results.map(({ result }) => result);
  const older = found.find((result) => result.older !== undefined)?.older;
  if (older !== undefined) return incomplete(stored("PROV_OLDER_EDITION", older));
  if (found.length === 1 && found[0]?.notModified) return notModifiedVerdict(run);
  const edition = found.find((result) => result.facts?.edition !== undefined)?.facts?.edition;
  let verdict = context.provider.verify({
    mode: run.mode,
    startedAt: run.startedAt,
    watermark: run.watermarkBefore,
    pass: run.pass,
    facts: results.flatMap(({ key, result }) => (result.facts ? [{ key, facts: result.facts }] : [])),
    unique: run.uniqueByPass[run.pass] ?? 0,
    regressed: run.regressedByPass[run.pass] ?? 0,
    doubles: run.doublesByPass[run.pass] ?? { count: 0, repeated: 0, ids: [] },
    newest: run.newest,
    now: new Date(await context.runs.now()).toISOString(),
  });
  const refused = run.refusedByPass[run.pass] ?? 0;
  if (verdict.kind === "verified" && refused > 0) {
    const { mode, startedAt, watermarkBefore: watermark } = run;
    verdict = {
      kind: "again",
      reason: `${refused} records were refused as older than what an earlier run had stored`,
      batches: context.provider.plan({ mode, startedAt, watermark, pass: run.pass + 1 }),
    };
  }
  if (verdict.kind === "verified" && run.dead > 0 && run.walkAgain && run.pass < MAX_PASSES) {
    // A person mended what was wrong and resumed: what was set aside before gets its chance.
    const pass = run.pass + 1;
    const { mode, startedAt, watermarkBefore: watermark } = run;
    const batches = context.provider.plan({ mode, startedAt, watermark, pass });
    await context.runs.setFields(attempt, { walkAgain: "0" });
    const entries = await context.batches.extend(attempt, pass, "resumed after too many errors", batches);
    await addDueJobs(context, run.id, entries, entries.length);
    return "walks on";
  }
  if (verdict.kind === "verified") {
    return await verifiedVerdict(context, run, boundedWatermark(verdict.watermark, run), edition);
  }
  const pass = verdict.kind === "again" ? run.pass + 1 : run.pass;
  if (pass > MAX_PASSES || run.round >= MAX_ROUNDS) {
    return incomplete(stored("PROV_NOT_VERIFIED", `After ${run.pass} passes: ${verdict.reason}.`));
  }
  const entries = await context.batches.extend(attempt, pass, verdict.reason, verdict.batches);
  context.logger.info(
    { event: "run_extended", runId: run.id, kind: verdict.kind, pass, reason: verdict.reason },
    verdict.kind === "again" ? "walking again" : "walking on",
  );
  await addDueJobs(context, run.id, entries, entries.length);
  return "walks on";
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
    ([key, { letter }]) => letter === "d" && !isRecordKey(key),
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

/** Whether the store still is what the change key names, the key itself tells: whatever writes a record drops it. */
async function stillNamed(context: ProviderContext, verdict: KeptVerdict): Promise<KeptVerdict> {
  // @safeguard not-modified-needs-key
  if (!verdict.notModified || (await context.runs.meta()).changeKey !== null) return verdict;
  const said = "The upstream has not changed, but the store was written to after it was asked.";
  return incomplete(stored("PROV_NOT_VERIFIED", said));
}

const badRecordsOf = ({ dead }: RunRecord): StoredError | null =>
  dead > 0 ? stored("PROV_BAD_RECORDS", `${dead} bad records lie in the dead letters.`) : null;

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

const seesTheWhole = (context: ProviderContext, run: RunRecord): boolean =>
  run.mode === "full" || context.provider.kind === "snapshot";

/** A replay run sees a few batches, never the whole: it verifies nothing, and moves neither watermark nor change key. */
function judgeReplays(run: RunRecord): KeptVerdict {
  const dead = run.deadAgain + run.dead + run.letters;
  if (dead === 0) return { ...NOTHING_VERIFIED, result: "complete", error: null };
  const said = `${run.deadAgain} of ${run.planned} replays gave up again; ${run.letters} dead letters are new.`;
  return incomplete(stored("PROV_BATCH_DEAD", said));
}

/** A run of which nothing could be had failed, with the reason; one that lacks batches is incomplete. */
async function afterDeadBatches(context: ProviderContext, run: RunRecord): Promise<KeptVerdict> {
  const statuses = [...(await context.batches.statuses(run.id))];
  const dead = statuses.find(([key, status]) => status.letter === "d" && !key.startsWith("bad/"));
  const cause = dead ? (await context.batches.result(run.id, dead[0]))?.error : undefined;
  if (cause && !statuses.some(([, status]) => status.letter === "c")) {
    return { ...incomplete(cause), result: "failed" };
  }
  const why = cause ? ` (${cause.code})` : "";
  return incomplete(stored("PROV_BATCH_DEAD", `${run.deadBatches} of ${run.planned} batches gave up${why}.`));
}

async function removeUnseen(
  context: ProviderContext,
  run: RunRecord,
  attempt: Attempt,
  verdict: KeptVerdict,
  signal: AbortSignal,
): Promise<KeptVerdict> {
  // The guard decides once: a repeated finish step must not refuse the rest of a removal that was allowed as a whole.
  if (run.removal === null) {
    let candidates = 0;
    for await (const ids of context.records.unseen(run.id, run.pass)) candidates += ids.length;
    const live = await context.records.count();
    // @safeguard shrink-guard
    if (candidates > SHRINK_COUNT && candidates > live * SHRINK_SHARE && !run.allowShrink) {
      const share = ((candidates / live) * 100).toFixed(1);
      return incomplete(
        stored(
          "PROV_SHRUNK",
          `${candidates} of ${live} records (${share} %) are gone upstream; none was removed.`,
        ),
      );
    }
    await context.runs.setFields(attempt, { removal: String(candidates) });
    // The run is closing: no commit can change which records are missing.
    if (candidates === 0) return verdict;
  }
  for await (const ids of context.records.unseen(run.id, run.pass)) {
    signal.throwIfAborted();
    await context.records.remove(attempt, ids, "gone upstream");
  }
  return verdict;
}

function metaAfter(
  context: ProviderContext,
  run: RunRecord,
  verdict: KeptVerdict,
  nowMs: number,
): Record<string, string> {
  // @safeguard only-verified-moves
  if (!verdict.verified) return {};
  const meta: Record<string, string> = {
    verifiedAt: new Date(nowMs).toISOString(),
    verifiedOpened: String(run.opened),
    ...(seesTheWhole(context, run) ? { wholeOpened: String(run.opened) } : {}),
  };
  // @safeguard watermark-verified
  if (verdict.watermark !== null) meta.watermark = verdict.watermark;
  // Verified, and no watermark is known: the old one goes, since nothing says that it still holds.
  else meta.watermark = "";
  if (run.mode === "full") meta.lastFullAt = meta.verifiedAt as string;
  // Only a complete run leaves the store equal to an edition. After any other the next run reads everything, and no
  // edition but that of the last complete run stands against an older one.
  if (verdict.result !== "complete") return meta;
  if (run.changeKey !== null) meta.changeKey = run.changeKey;
  if (verdict.edition !== undefined) {
    meta.edition = JSON.stringify({ source: context.source, edition: verdict.edition });
  }
  return meta;
}

/** The provider's machine hears of the end, then the bookkeeping goes. */
async function ended(context: ProviderContext, runId: string): Promise<void> {
  const run = await context.runs.read(runId);
  if (run) await context.governor.runEnded(run);
  await cleanUp(context, runId);
  await replaysAfter(context, runId);
}

/** Replays that the end of the run cancelled are dead letters again; those that waited for its end may begin. */
async function replaysAfter(context: ProviderContext, runId: string): Promise<void> {
  await new DeadLetterSweeper(context).sweepReplays(runId);
  await openReplays(context);
}

/** A wrong configuration fails the run at once: nothing that is still planned could do better. */
export async function failRun(context: ProviderContext, attempt: Attempt, error: UeeError): Promise<void> {
  await context.runs.close(attempt, "failed", { code: error.code, message: error.detail }, {});
  await ended(context, attempt.runId);
  context.logger.error(
    { event: "run_closed", runId: attempt.runId, result: "failed", code: error.code },
    error.message,
  );
}
