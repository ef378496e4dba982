/** What is done when a run has closed: what it saw is noted, its bookkeeping goes. May be done again, by anybody. */
import { jobId } from "../queues/jobCatalog.ts";
import { settleCovered } from "../recovery/deadLetters/covered.ts";
import { isRecordKey, letterIdOf } from "../recovery/deadLetters/deadLetter.ts";
import type { ProviderContext } from "./context.ts";
import { processActor } from "./governor.ts";

/** Closed runs kept for `status` and accounting. */
const RUNS_KEPT = { ordinary: 100, replays: 20 };

/** Letters looked at together. */
const PAGE = 500;
/** Jobs removed at once. */
const AT_ONCE = 100;
/** Dead letters that history names of those that a run settled. */
const NAMED = 5;

/** Does a dead letter refer to the run's staged slices? That of a bad record has its own raw bytes. */
export async function refersToSlices(context: ProviderContext, runId: string): Promise<boolean> {
  return ((await context.runs.read(runId))?.batchLetters ?? 0) > 0;
}

/** Keeps what status and dead letters need; drops the bookkeeping of a closed run. */
export async function cleanUp(context: ProviderContext, runId: string): Promise<void> {
  await forgetCancelled(context, runId);
  await settleLetters(context, runId);
  await noteSeenAgain(context, runId);
  await context.runs.dropBookkeeping(runId);
  if (!(await refersToSlices(context, runId))) await context.staging.clean(runId);
  await context.runs.trimHistory(RUNS_KEPT);
}

/**
 * What was cancelled with the run, because a person stopped it or a wrong setting failed it: its jobs have nothing left to do,
 * and a bad record that is no dead letter yet must become one when it is met again.
 */
async function forgetCancelled(context: ProviderContext, runId: string): Promise<void> {
  // A run that its last step closed has nothing outstanding, and may have many batches.
  if (((await context.runs.read(runId))?.outstanding ?? 0) === 0) return;
  const cancelled = [...(await context.runs.statuses(runId))].filter(([, { letter }]) => letter === "x");
  for (let i = 0; i < cancelled.length; i += AT_ONCE) {
    await Promise.all(
      cancelled.slice(i, i + AT_ONCE).map(async ([key, { generation }]) => {
        // A job that is at work keeps its place: it finds its run closed and completes.
        await context.queue.remove(jobId({ runId, batch: key, generation })).catch(() => undefined);
        const letter = isRecordKey(key) ? letterIdOf(runId, key) : undefined;
        if (letter && !(await context.letters.get(letter))) await context.badRecords.forget(letter);
      }),
    );
  }
}

/** What the run has covered is no dead letter any more; history says so. */
async function settleLetters(context: ProviderContext, runId: string): Promise<void> {
  // Without its marks the run has been cleaned before.
  if (!(await context.runs.hasBookkeeping(runId))) return;
  const settled = await settleCovered(context, runId);
  if (settled.length === 0) return;
  const said = `settled ${settled.length}`;
  context.logger.info(
    { event: "dead_letters_settled", runId, letters: settled.length },
    `dead letters: ${said}`,
  );
  const named = settled.slice(0, NAMED).join(", ");
  const more = settled.length - NAMED;
  await context.letterActions.add({
    at: new Date(await context.runs.now()).toISOString(),
    what: said,
    selection: more > 0 ? `${named} and ${more} more` : named,
    actor: processActor().name,
    reason: `settled by run ${runId}: it stored these records, no longer saw them, or covered these batches`,
  });
}

/**
 * Of the bad records among the dead letters, those of which this run has received a good version: no replay of their older
 * bytes may take that back, not even where the good version was no news to the store and left no trace but its mark.
 */
async function noteSeenAgain(
  { letters, badRecords, records, runs }: ProviderContext,
  runId: string,
): Promise<void> {
  if (!(await runs.hasBookkeeping(runId))) return;
  for await (const ids of letters.idsOfClass("bad-record", PAGE)) {
    const facts = (await badRecords.manyFacts(ids)).filter((one) => one.id !== null);
    const seen = await records.seen(
      runId,
      facts.map(({ id }) => id as string),
    );
    await letters.supersede(
      facts.flatMap(({ deadLetterId, fetchedAt }, i) => {
        const mark = seen[i];
        return mark?.good && mark.fetchedAt > fetchedAt
          ? [{ id: deadLetterId, fetchedAt: mark.fetchedAt }]
          : [];
      }),
    );
  }
}
