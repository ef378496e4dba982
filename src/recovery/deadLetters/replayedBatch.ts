/**
 * How a replayed batch differs from an ordinary one: it may have nothing left to do, it reads the staged slices of the run in
 * which it gave up, and its dead letter is settled when it has committed. Workers take this as the batch's kind.
 */
import { UeeError } from "../../core/errors.ts";
import type { BatchJob } from "../../queues/jobCatalog.ts";
import { batchIsCovered } from "./covered.ts";
import { deadLetterIdOf } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";
import { endDeadLetter } from "./settle.ts";

/** A first generation of an ordinary batch was never replayed. */
export const isReplay = (job: BatchJob): boolean => job.letter !== undefined || job.generation > 1;

export function replayedBatch(parts: DeadLetterParts, job: BatchJob) {
  const { letter: origin } = job;
  return {
    slicesOf: origin?.runId ?? job.runId,

    async superseded(): Promise<string | undefined> {
      const covered = origin !== undefined && (await batchIsCovered(parts, origin.runId));
      return covered ? "a verified run has covered it since" : undefined;
    },

    /**
     * Slices that were staged for a closed run must not be written after anything newer was received: an unchanged record
     * leaves nothing but a mark, which that run no longer has.
     * @throws UeeError STOR_OUTDATED
     */
    async checkFetched(fetchedAt: number): Promise<void> {
      if (!origin || fetchedAt === 0) return;
      const { newestFetch } = await parts.runs.meta();
      // @safeguard replay-slice-outdated
      if (fetchedAt >= newestFetch) return;
      throw new UeeError(
        "STOR_OUTDATED",
        `What ${origin.batch} of ${origin.runId} staged is older than what came since.`,
      );
    },

    /** Several batches of a replay run may discover batches with the same key. */
    discoveredKey: (key: string): string => (origin ? `${job.batch}/${key}` : key),

    /** The sweeper repeats this after a crash between checkpoint and settling. */
    async committed(): Promise<void> {
      const id = origin?.letter ?? deadLetterIdOf(job.runId, job.batch);
      const deadLetter = await parts.deadLetters.get(id);
      const replay = deadLetter?.replay;
      if (!deadLetter || replay?.runId !== job.runId || replay.key !== job.batch) return;
      await endDeadLetter(parts, deadLetter, "settle");
    },
  };
}
