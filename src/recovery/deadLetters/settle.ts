/** The end of a dead letter: its replay committed, a verified run covered it, or a person purged it. */
import type { StoredDeadLetter } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";

/** Drops it with what was kept for it alone (see DeadLetterStore.drop). False when it moved meanwhile. */
export async function endDeadLetter(
  { deadLetters, stagedSlices }: Pick<DeadLetterParts, "deadLetters" | "stagedSlices">,
  letter: StoredDeadLetter,
  how: "settle" | "cover" | "purge",
): Promise<boolean> {
  const dropped = await deadLetters.drop(letter, how);
  if (dropped === undefined) return false;
  // Slices of a closed run are kept while a dead letter refers to them.
  if (letter.kind === "batch" && dropped.runClosed && dropped.slicesHeld <= 0)
    await stagedSlices.clean(letter.runId);
  return true;
}

/** To be called before: a failed job without a dead letter would get a new one. False when the job is at work. */
export async function removeFailedJob(
  { queue }: Pick<DeadLetterParts, "queue">,
  { jobId }: StoredDeadLetter,
): Promise<boolean> {
  if (jobId === null) return true;
  await queue.remove(jobId);
  return (await queue.missing([jobId])).size > 0;
}
