/** Finds unchanged records by the digest of their source text, which costs a fifth of parsing them. */
import type { StoredText } from "../core/sourceText.ts";
import type { Attempt } from "./contract.ts";
import { textDigestOf } from "./digest.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { readEntries } from "./indexReads.ts";
import { MARKS_A_CALL, markSeen } from "./seenMarks.ts";
import { chunksOf, inParallel, type StoreContext } from "./storeContext.ts";

const CALLS_IN_FLIGHT = 4;

export async function lookUp(
  context: StoreContext,
  records: readonly { id: string; text: Buffer }[],
): Promise<StoredText[]> {
  const entries = await readEntries(
    context,
    records.map(({ id }) => id),
  );
  return records.map(({ text }, i) => {
    const packed = entries[i]!;
    const entry = packed === "" ? undefined : unpackIndexEntry(packed);
    const known = entry?.digests?.text ?? "";
    const same = known !== "" && known === textDigestOf(text, context.provider.version);
    return { entry: packed, same, lastModified: entry?.lastModified };
  });
}

/** Returns those whose entry is not the one that was looked up. */
export async function markUnchanged<R extends { id: string; stored: StoredText }>(
  context: StoreContext,
  attempt: Attempt,
  records: readonly R[],
  fetchedAt: number,
  signal?: AbortSignal,
): Promise<R[]> {
  const changed: R[] = [];
  await inParallel(chunksOf(records, MARKS_A_CALL), CALLS_IN_FLIGHT, async (chunk) => {
    signal?.throwIfAborted();
    const marks = chunk.map((record) => ({ id: record.id, base: record.stored.entry, record }));
    for (const { record } of await markSeen(context, attempt, "n", fetchedAt, marks)) changed.push(record);
  });
  return changed;
}
