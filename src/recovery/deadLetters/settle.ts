/** The end of a dead letter: its replay committed, or a person purged it. What was kept for it alone goes too. */
import type { Staging } from "../../runs/stagedSlices.ts";
import type { Letter } from "./deadLetter.ts";
import type { Dropped, LetterStore } from "./deadLetterStore.ts";

export interface LetterKeepers {
  letters: LetterStore;
  staging: Staging;
}

/** False when the letter does not wait for this replay. */
export async function settleLetter(
  keepers: LetterKeepers,
  letter: Letter,
  replay: { runId: string; key: string },
): Promise<boolean> {
  return await ended(keepers, letter, await keepers.letters.settle(letter, replay));
}

/** A verified run has covered it. Its job must be gone from the failed set before. False when it moved meanwhile. */
export async function coverLetter(keepers: LetterKeepers, letter: Letter): Promise<boolean> {
  return await ended(keepers, letter, await keepers.letters.cover(letter));
}

/** Its job must be gone from the failed set before. False when it is gone, or being replayed. */
export async function purgeLetter(keepers: LetterKeepers, letter: Letter): Promise<boolean> {
  return await ended(keepers, letter, await keepers.letters.purge(letter));
}

/** Slices of a closed run are kept while a dead letter refers to them. */
async function ended(
  { staging }: LetterKeepers,
  letter: Letter,
  dropped: Dropped | undefined,
): Promise<boolean> {
  if (dropped === undefined) return false;
  if (letter.kind === "batch" && dropped.runClosed && dropped.slicesHeld <= 0)
    await staging.clean(letter.runId);
  return true;
}
