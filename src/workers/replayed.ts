/** What a batch that is tried again must know: whether there is still anything to do, and how its letter ends. */
import { UeeError } from "../core/errors.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import { batchIsCovered } from "../recovery/deadLetters/covered.ts";
import { letterIdOf } from "../recovery/deadLetters/deadLetter.ts";
import { settleLetter } from "../recovery/deadLetters/settle.ts";
import type { ProviderContext } from "./context.ts";

/** Why a batch of a closed run needs nothing any more. */
export async function batchSuperseded(context: ProviderContext, job: BatchJob): Promise<string | undefined> {
  const covered = job.letter !== undefined && (await batchIsCovered(context, job.letter.runId));
  return covered ? "a verified run has covered it since" : undefined;
}

/**
 * What was fetched for a run that is closed, and is replayed from its staged slices, must not be written once anything newer
 * has been received: of records that had not changed nothing but a mark would have told.
 * @throws UeeError STOR_OUTDATED
 */
export async function refuseOutdated(
  context: ProviderContext,
  job: BatchJob,
  fetchedAt: number,
): Promise<void> {
  if (!job.letter || fetchedAt === 0) return;
  const { newestFetch } = await context.runs.meta();
  // @safeguard replay-slice-outdated
  if (fetchedAt >= newestFetch) return;
  throw new UeeError(
    "STOR_OUTDATED",
    `What ${job.letter.batch} of ${job.letter.runId} staged is older than what came since.`,
  );
}

/**
 * Why the kept bytes of a bad record must not be written any more: a verified run that saw the whole upstream opened after
 * they were received, and did not meet them; or a run has received a good version since.
 */
export async function recordSuperseded(
  context: ProviderContext,
  job: BatchJob,
  record: { letterId: string; id: string | null; fetchedAt: number },
): Promise<string | undefined> {
  const [meta, letter, seen] = await Promise.all([
    context.runs.meta(),
    context.letters.get(record.letterId),
    record.id === null ? [] : context.records.seen(job.runId, [record.id]),
  ]);
  if (meta.wholeOpened > record.fetchedAt) return "the upstream no longer has it";
  const mark = seen[0];
  const later = Math.max(letter?.supersededAt ?? 0, mark?.good ? mark.fetchedAt : 0);
  // @safeguard replay-record-outdated
  return later > record.fetchedAt ? "a newer version was received since" : undefined;
}

/** The batch committed: its dead letter, if it was one, is settled. Repeated by the sweeper where a crash came between. */
export async function settleReplayed(context: ProviderContext, job: BatchJob): Promise<void> {
  const id = job.letter?.letter ?? letterIdOf(job.runId, job.batch);
  const letter = await context.letters.get(id);
  const { replay } = letter ?? {};
  if (!letter || !replay || replay.runId !== job.runId || replay.key !== job.batch) return;
  await settleLetter(context, letter, { runId: job.runId, key: job.batch });
}
