/** Finds unchanged records by the digest of their source text, which costs a fifth of parsing them. */
import type { Attempt, Recognised, SourceRecord } from "./contract.ts";
import { textDigestOf } from "./digest.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { readEntries } from "./indexReads.ts";
import { MARKS_A_CALL, type Mark, markSeen } from "./seenMarks.ts";
import { chunksOf, type StoreContext } from "./storeContext.ts";

interface RecognisedMark extends Mark {
  readonly place: number;
}

export async function recognise(
  context: StoreContext,
  attempt: Attempt,
  records: readonly SourceRecord[],
  signal?: AbortSignal,
): Promise<Recognised[]> {
  const entries = await readEntries(
    context,
    records.map(({ id }) => id),
  );
  const found: Recognised[] = [];
  /** By fetch time. */
  const marks = new Map<number, RecognisedMark[]>();
  records.forEach(({ id, text, fetchedAt }, place) => {
    const textDigest = textDigestOf(text, context.provider.version);
    const base = entries[place]!;
    const entry = base === "" ? undefined : unpackIndexEntry(base);
    const unchanged = entry?.digests?.text === textDigest;
    found.push({ textDigest, entry: base, unchanged, lastModified: entry?.lastModified });
    if (!unchanged) return;
    const waiting = marks.get(fetchedAt) ?? [];
    marks.set(fetchedAt, waiting);
    waiting.push({ id, base, place });
  });
  for (const [fetchedAt, some] of marks) {
    for (const chunk of chunksOf(some, MARKS_A_CALL)) {
      signal?.throwIfAborted();
      for (const { place } of await markSeen(context, attempt, "n", fetchedAt, chunk)) {
        // It changed since its entry was read: it is parsed and compared like any other.
        found[place] = { ...found[place]!, unchanged: false };
      }
    }
  }
  return found;
}
