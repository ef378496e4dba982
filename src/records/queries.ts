/** Reads records back: one, by alias, or all of them in order. */
import { formatTime } from "../core/time.ts";
import type { StoredRecord } from "./contract.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { allEntries } from "./indexReads.ts";
import { chunksOf, recordUrn, type StoreContext } from "./storeContext.ts";

/** Records read ahead in one pipeline: bounds memory, as one record may be large. */
const EXPORT_CHUNK = 32;

export async function getRecord(context: StoreContext, id: string): Promise<StoredRecord | undefined> {
  const { redis, keys, provider, content } = context;
  const replies = await redis
    .multi()
    .hgetBuffer(keys.indexBucket(id), id)
    .lrangeBuffer(keys.record(id), 0, -1)
    .exec();
  const [packed, elements] = (replies ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  }) as [Buffer | null, Buffer[]];
  if (packed === null) return undefined;
  const entry = unpackIndexEntry(packed.toString("latin1"));
  const stored = entry.inline === undefined ? elements : [Buffer.from(entry.inline, "latin1")];
  return {
    urn: recordUrn(context, id),
    provider: provider.name,
    id,
    firstSeen: formatTime(entry.firstSeen),
    lastChanged: formatTime(entry.lastChanged),
    data: content.decode(id, stored).data,
  };
}

const readAll = async (context: StoreContext, ids: readonly string[]): Promise<StoredRecord[]> =>
  (await Promise.all(ids.map((id) => getRecord(context, id)))).filter((record) => record !== undefined);

export async function recordsByAlias(context: StoreContext, alias: string): Promise<StoredRecord[]> {
  const ids = await context.redis.smembers(context.keys.alias(alias));
  return readAll(context, ids.sort());
}

/**
 * All records sorted by id (code units), or those changed at or after `since` (ms). Ids are held in memory, records are
 * not: one chunk is decoded while the next is on its way. A record that goes meanwhile is left out.
 */
export async function* exportRecords(
  context: StoreContext,
  options: { since?: number; signal?: AbortSignal },
): AsyncGenerator<StoredRecord> {
  const { since, signal } = options;
  const ids = await liveIds(context, since, signal);
  const chunks = chunksOf(ids, EXPORT_CHUNK);
  let ahead = readAll(context, chunks[0] ?? []);
  try {
    for (let i = 0; i < chunks.length; i++) {
      signal?.throwIfAborted();
      const records = await ahead;
      ahead = readAll(context, chunks[i + 1] ?? []);
      // A failure of the chunk ahead shows when its turn comes.
      ahead.catch(() => {});
      yield* records;
    }
  } finally {
    await ahead.catch(() => {});
  }
}

/** Sorted; with `since` (ms) only those changed at or after it. */
async function liveIds(
  context: StoreContext,
  since: number | undefined,
  signal?: AbortSignal,
): Promise<string[]> {
  const ids: string[] = [];
  for await (const entries of allEntries(context, signal)) {
    for (const [id, packed] of entries) {
      if (since === undefined || unpackIndexEntry(packed).lastChanged >= since) ids.push(id);
    }
  }
  return ids.sort();
}
