/**
 * Cleans up after closed runs: what a run has seen is noted for its dead letters, then its bookkeeping and its staged slices
 * go. Every step may be repeated, and several pods may clean up at once.
 */
import { jobId } from "../queues/jobCatalog.ts";
import { noteSeenAgain, settleCoveredDeadLetters } from "./deadLetters/covered.ts";
import { deadLetterIdOf, isRecordKey } from "./deadLetters/deadLetter.ts";
import type { DeadLetterParts } from "./deadLetters/parts.ts";

/** Closed runs that are kept for `status` and accounting. */
const RUNS_KEPT = { ordinary: 100, replays: 20 };
/** Jobs removed at once. */
const AT_ONCE = 100;
/** Newest runs that the sweep checks. Older runs were checked when they were new. */
const RUNS_CHECKED = 10;
/** A run is cleaned up when it closes. After this time the process that closed it has died, ms. */
const CLEANED_BY_THEN_MS = 10_000;

/** Whether a dead letter refers to the run's staged slices. The dead letter of a bad record has its own raw bytes. */
async function refersToSlices({ runs }: DeadLetterParts, runId: string): Promise<boolean> {
  return ((await runs.read(runId))?.batchLetters ?? 0) > 0;
}

/** Keeps what status and dead letters need, and drops the bookkeeping of a closed run. */
export async function cleanUp(parts: DeadLetterParts, runId: string): Promise<void> {
  const { runs, stagedSlices } = parts;
  await removeCancelled(parts, runId);
  // A run without bookkeeping was cleaned up before.
  if (await runs.hasBookkeeping(runId)) {
    await settleCoveredDeadLetters(parts, runId);
    await noteSeenAgain(parts, runId);
  }
  await runs.dropBookkeeping(runId);
  if (!(await refersToSlices(parts, runId))) await stagedSlices.clean(runId);
  await runs.trimHistory(RUNS_KEPT);
}

/**
 * Removes the jobs of batches that were cancelled with the run, because an operator stopped it or a wrong setting failed it. A
 * bad record that is no dead letter yet must become one when it is received again.
 */
async function removeCancelled(parts: DeadLetterParts, runId: string): Promise<void> {
  const { runs, queue, deadLetters, badRecords } = parts;
  // A run that its last step closed has nothing outstanding, and may have many batches.
  if (((await runs.read(runId))?.outstanding ?? 0) === 0) return;
  const cancelled = [...(await parts.batches.statuses(runId))].filter(([, { code }]) => code === "x");
  for (let i = 0; i < cancelled.length; i += AT_ONCE) {
    await Promise.all(
      cancelled.slice(i, i + AT_ONCE).map(async ([key, { generation }]) => {
        // A job that is at work keeps its place: it finds its run closed and completes.
        await queue.remove(jobId({ runId, batch: key, generation })).catch(() => undefined);
        if (!isRecordKey(key)) return;
        const id = deadLetterIdOf(runId, key);
        if (!(await deadLetters.get(id))) await badRecords.forget(id);
      }),
    );
  }
}

/** Cleans up after runs whose process died before it could. Returns their ids. */
export async function sweepClosedRuns(parts: DeadLetterParts): Promise<string[]> {
  const { runs, stagedSlices } = parts;
  const swept: string[] = [];
  const checked = await Promise.all([runs.recentRunIds(RUNS_CHECKED), runs.uncleanRunIds()]);
  for (const runId of new Set(checked.flat())) {
    if (((await runs.closedForMs(runId)) ?? 0) < CLEANED_BY_THEN_MS) continue;
    const slices = (await stagedSlices.any(runId)) && !(await refersToSlices(parts, runId));
    if (!slices && !(await runs.hasBookkeeping(runId))) continue;
    await cleanUp(parts, runId);
    swept.push(runId);
  }
  return swept;
}
