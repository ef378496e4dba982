/** Reads records back: one, by alias, or all of them in order. */
import { UeeError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import { decodeHead, decodeRecord, HEAD_FIELD } from "./codec.ts";
import type { StoredRecord } from "./contract.ts";
import { chunksOf, recordUrn, type StoreContext } from "./storeContext.ts";

const SCAN_COUNT = 1000;
/** Records read ahead in one pipeline: bounds memory, as one record may be large. */
const EXPORT_CHUNK = 32;

export async function getRecord(context: StoreContext, id: string): Promise<StoredRecord | undefined> {
  const { redis, keys, provider } = context;
  const hash = await redis.hgetallBuffer(keys.record(id));
  const stored = hash[HEAD_FIELD];
  if (!stored) {
    if (Object.keys(hash).length === 0) return undefined;
    throw new UeeError("STOR_CORRUPT", `Record ${id} has no head.`);
  }
  const head = decodeHead(id, stored);
  return {
    urn: recordUrn(context, id),
    provider: provider.name,
    id,
    firstSeen: formatTime(head.firstSeen),
    lastChanged: formatTime(head.lastChanged),
    data: decodeRecord(id, head, hash),
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
  const ids = since === undefined ? await liveIds(context, signal) : await changedIds(context, since, signal);
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

async function liveIds({ redis, keys }: StoreContext, signal?: AbortSignal): Promise<string[]> {
  const ids = new Set<string>();
  let cursor = "0";
  do {
    signal?.throwIfAborted();
    const [next, entries] = await redis.hscan(keys.index, cursor, "COUNT", SCAN_COUNT);
    cursor = next;
    for (let i = 0; i < entries.length; i += 2) ids.add(entries[i]!);
  } while (cursor !== "0");
  return [...ids].sort();
}

/** Pages by score, not by rank: a record that changes meanwhile moves to the end and shifts no other out of sight. */
async function changedIds(
  { redis, keys }: StoreContext,
  since: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const ids = new Set<string>();
  let from = String(since);
  let count = SCAN_COUNT;
  for (;;) {
    signal?.throwIfAborted();
    const page = await redis.zrangebyscore(keys.changed, from, "+inf", "WITHSCORES", "LIMIT", 0, count);
    for (let i = 0; i < page.length; i += 2) ids.add(page[i]!);
    if (page.length < 2 * count) return [...ids].sort();
    const last = page.at(-1)!;
    // A page within one millisecond: a larger one must reach beyond it.
    if (page[1] === last) count *= 2;
    else count = SCAN_COUNT;
    from = last;
  }
}
