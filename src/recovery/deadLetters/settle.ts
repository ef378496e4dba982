/** The end of a dead letter: its replay committed, or a person purged it. What was kept for it alone goes too. */
import type { StoredDeadLetter } from "./deadLetter.ts";
import type { Dropped } from "./deadLetterStore.ts";
import type { DeadLetterParts } from "./parts.ts";

type SettlingParts = Pick<DeadLetterParts, "deadLetters" | "stagedSlices">;

/** False when the dead letter does not wait for this replay. */
export async function settleDeadLetter(
  parts: SettlingParts,
  letter: StoredDeadLetter,
  replay: { runId: string; key: string },
): Promise<boolean> {
  return await ended(parts, letter, await parts.deadLetters.settle(letter, replay));
}

/** A verified run has covered it. Its job must be gone from the failed set before. False when it moved meanwhile. */
export async function coverDeadLetter(parts: SettlingParts, letter: StoredDeadLetter): Promise<boolean> {
  return await ended(parts, letter, await parts.deadLetters.cover(letter));
}

/** Its job must be gone from the failed set before. False when it is gone, or being replayed. */
export async function purgeDeadLetter(parts: SettlingParts, letter: StoredDeadLetter): Promise<boolean> {
  return await ended(parts, letter, await parts.deadLetters.purge(letter));
}

/** To be called before: a failed job without a dead letter would get a new one. False when the job is at work. */
export async function removeFailedJob(
  { queue }: Pick<DeadLetterParts, "queue">,
  { jobId }: StoredDeadLetter,
): Promise<boolean> {
  if (jobId === "") return true;
  await queue.remove(jobId);
  return (await queue.missing([jobId])).size > 0;
}

/** Slices of a closed run are kept while a dead letter refers to them. */
async function ended(
  { stagedSlices }: SettlingParts,
  letter: StoredDeadLetter,
  dropped: Dropped | undefined,
): Promise<boolean> {
  if (dropped === undefined) return false;
  if (letter.kind === "batch" && dropped.runClosed && dropped.slicesHeld <= 0)
    await stagedSlices.clean(letter.runId);
  return true;
}
