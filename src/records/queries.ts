/** Reads records back: one, by alias, or all of them in order. */
import { canonicalJson } from "../core/json.ts";
import { formatTime } from "../core/time.ts";
import type { StoredRecord } from "./contract.ts";
import { type IndexEntry, unpackIndexEntry } from "./indexEntry.ts";
import { allEntries, readEntries } from "./indexReads.ts";
import { readLayout1Record } from "./migration/layout1.ts";
import { chunksOf, recordUrn, type StoreContext } from "./storeContext.ts";

/** Records read ahead in one pipeline: bounds memory, as one record may be large. */
const EXPORT_CHUNK = 32;

export async function getRecord(context: StoreContext, id: string): Promise<StoredRecord | undefined> {
  // A record that was migrated between the two looks lies where the first one did not find it yet.
  return (
    (await getCurrent(context, id)) ??
    (await getLayout1Record(context, id)) ??
    (await getCurrent(context, id))
  );
}

async function getCurrent(context: StoreContext, id: string): Promise<StoredRecord | undefined> {
  const { redis, keys } = context;
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
  return toRecord(context, id, entry, elements);
}

function toRecord(
  context: StoreContext,
  id: string,
  { inline, firstSeen, lastChanged }: IndexEntry,
  elements: Buffer[],
): StoredRecord {
  const stored = inline === undefined ? elements : [Buffer.from(inline, "latin1")];
  return {
    urn: recordUrn(context, id),
    provider: context.provider.name,
    id,
    firstSeen: formatTime(firstSeen),
    lastChanged: formatTime(lastChanged),
    data: context.content.decode(id, stored).data,
  };
}

/** The JSON of each record, UTF-8, without parsing it where that can be spared; undefined where it is not live. */
export function recordTexts(context: StoreContext, ids: readonly string[]): Promise<(Buffer | undefined)[]> {
  const { redis, keys, content } = context;
  return Promise.all(
    ids.map(async (id) => {
      const elements = await redis.lrangeBuffer(keys.record(id), 0, -1);
      if (elements.length > 0) return content.decodeText(id, elements);
      // Inline in the index, or not migrated yet.
      const record = await getRecord(context, id);
      return record && Buffer.from(canonicalJson(record.data));
    }),
  );
}

/** A record that was not migrated yet; undefined as well for one that is migrated at this very moment. */
async function getLayout1Record(context: StoreContext, id: string): Promise<StoredRecord | undefined> {
  const { redis, keys, provider } = context;
  if ((await redis.hexists(keys.layout1.index, id)) === 0) return undefined;
  const hash = await redis.hgetallBuffer(keys.layout1.record(id));
  if (Object.keys(hash).length === 0) return undefined;
  const { data, firstSeen, lastChanged } = readLayout1Record(id, hash);
  return {
    urn: recordUrn(context, id),
    provider: provider.name,
    id,
    firstSeen: formatTime(firstSeen),
    lastChanged: formatTime(lastChanged),
    data,
  };
}

/** Records that lie in their index entries are read by one call; each of the others needs entry and content at one moment. */
async function readAll(context: StoreContext, ids: readonly string[]): Promise<StoredRecord[]> {
  const entries = await readEntries(context, ids);
  const records = await Promise.all(
    ids.map((id, i) => {
      const entry = entries[i] === "" ? undefined : unpackIndexEntry(entries[i]!);
      return entry?.inline === undefined ? getRecord(context, id) : toRecord(context, id, entry, []);
    }),
  );
  return records.filter((record) => record !== undefined);
}

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
  const { redis, keys } = context;
  // Those that were not migrated yet first: what is migrated meanwhile is then met in the buckets.
  const ids = new Set(
    since === undefined
      ? await redis.hkeys(keys.layout1.index)
      : await redis.zrangebyscore(keys.layout1.changed, since, "+inf"),
  );
  for await (const entries of allEntries(context, signal)) {
    for (const [id, packed] of entries) {
      if (since === undefined || unpackIndexEntry(packed).lastChanged >= since) ids.add(id);
    }
  }
  return [...ids].sort();
}
