/**
 * The last step of a run, when every batch has ended: verifies what was received. A verified run begins to close, removes what
 * the upstream no longer has and moves watermark and change key. Any other is extended, or ends as incomplete.
 *
 * After a crash the step is repeated: an open run is verified again, a closing run continues with its stored verdict.
 */
import type { UeeError } from "../core/errors.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import { cleanUp } from "../recovery/closedRuns.ts";
import { openReplays } from "../recovery/deadLetters/replays.ts";
import { sweepReplays } from "../recovery/deadLetters/sweeper.ts";
import type { RunRecord } from "../runs/runRecord.ts";
import type { BatchSummary } from "./attempt.ts";
import type { ProviderContext } from "./context.ts";
import { concludeReconcile } from "./reconcile.ts";
import { incomplete, type KeptVerdict, seesTheWhole, verifyRun } from "./verdict.ts";

/** Removals beyond both bounds wait for a person. */
const SHRINK_SHARE = 0.05;
const SHRINK_COUNT = 20;

const isShrink = (gone: number, live: number): boolean => gone > SHRINK_COUNT && gone > live * SHRINK_SHARE;

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
    const verified = await verifyRun(context, run, attempt);
    context.onStep("verify", "after", job.batch);
    if (verified === "extended") return { extended: true };
    verdict = verified;
    if (!(await context.runs.beginClosing(attempt, verdict))) return { skipped: "batches outstanding" };
  }
  verdict = await stillNamed(context, verdict);
  context.onStep("remove", "before", job.batch);
  if (verdict.removals) verdict = await removeUnseen(context, run, attempt, verdict, signal);
  let meta: Record<string, string> | undefined;
  if (verdict.comparison) {
    const { reconciled, error } = await concludeReconcile(context, run, attempt, verdict.comparison, {
      mayRemove: (extra, live) => !isShrink(extra, live),
      signal,
    });
    verdict = { ...verdict, result: error ? "incomplete" : "complete", error };
    meta = { reconciled: JSON.stringify(reconciled), reconcileFailed: "" };
  } else if (run.mode === "reconcile") {
    const failed = { ...verdict.error, at: new Date(await context.runs.now()).toISOString() };
    meta = { reconcileFailed: JSON.stringify(failed) };
  }
  const counted = await context.runs.read(run.id);
  if (counted) await context.records.summarise(attempt, counted);
  // A file with a bad record is read again, so that the record is met again, although an operator has accepted it.
  if ((counted?.accepted ?? 0) + (counted?.namelessAccepted ?? 0) > 0) await context.fileLists.drop();
  context.onStep("remove", "after", job.batch);

  context.onStep("close", "before", job.batch);
  await context.runs.close(
    attempt,
    verdict.result,
    verdict.error,
    meta ?? metaAfter(context, run, verdict, await context.runs.now()),
  );
  context.onStep("close", "after", job.batch);
  await ended(context, run.id);
  context.logger.info(
    { event: "run_closed", runId: run.id, result: verdict.result, code: verdict.error?.code },
    `run ${verdict.result}`,
  );
  return { result: verdict.result };
}

/** Whether the store still is what the change key names, the key itself tells: whatever writes a record drops it. */
async function stillNamed(context: ProviderContext, verdict: KeptVerdict): Promise<KeptVerdict> {
  // @safeguard not-modified-needs-key
  if (!verdict.notModified || (await context.runs.meta()).changeKey !== null) return verdict;
  const said = "The upstream has not changed, but the store was written to after it was asked.";
  return incomplete("PROV_NOT_VERIFIED", said);
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
    if (isShrink(candidates, live) && !run.allowShrink) {
      const share = ((candidates / live) * 100).toFixed(1);
      return incomplete(
        "PROV_SHRUNK",
        `${candidates} of ${live} records (${share} %) are gone upstream; none was removed.`,
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
  // A bundle is as old as the mirror in which it was made.
  const verifiedMs = Math.min(nowMs, run.bundle ? Date.parse(run.bundle.verifiedAt) : nowMs);
  const meta: Record<string, string> = {
    verifiedAt: new Date(verifiedMs).toISOString(),
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
    const source = run.bundle ? "bundle" : context.source;
    meta.edition = JSON.stringify({ source, edition: verdict.edition });
  }
  return meta;
}

/** Reports the end to the provider's machine, then removes the bookkeeping. */
async function ended(context: ProviderContext, runId: string): Promise<void> {
  const run = await context.runs.read(runId);
  if (run) await context.governor.runEnded(run);
  await cleanUp(context, runId);
  // Replays that the end of the run cancelled are dead letters again; those that waited for its end may begin.
  await sweepReplays(context, runId);
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
