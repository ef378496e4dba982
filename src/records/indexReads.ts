/** Reads of the index: entries by id, pages of ids. */

import { bucketOf, INDEX_BUCKETS } from "../redis/indexBuckets.ts";
import { loadScript } from "../redis/scripts.ts";
import { FrameWriter } from "./frame.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { chunksOf, type StoreContext } from "./storeContext.ts";

const readScript = loadScript(new URL("./lua/readEntries-1.lua", import.meta.url));

/** Ids a call: about a millisecond of the server's time. */
const IDS_A_CALL = 300;
/** Buckets read in one pipeline. */
const BUCKETS_AT_ONCE = 64;

const frame = new FrameWriter();

/** The packed entry of each id, latin-1; empty where it is not live. */
export async function readEntries({ redis, keys }: StoreContext, ids: readonly string[]): Promise<string[]> {
  const calls = chunksOf(ids, IDS_A_CALL).map((some) => {
    frame.reset();
    for (const id of some) frame.uint16(bucketOf(id)).text(id);
    return readScript.runBuffer(redis, [keys.indexPrefix], [some.length, frame.cut()]);
  });
  const replies = (await Promise.all(calls)) as (Buffer | null)[][];
  return replies.flat().map((packed) => packed?.toString("latin1") ?? "");
}

/** All live ids with their packed entries (latin-1), some buckets at a time, in no order; an id comes once. */
export async function* allEntries(
  context: StoreContext,
  signal?: AbortSignal,
): AsyncGenerator<Map<string, string>> {
  for (let first = 0; first < INDEX_BUCKETS; first += BUCKETS_AT_ONCE) {
    signal?.throwIfAborted();
    const found = await entriesOfBuckets(context, first, BUCKETS_AT_ONCE);
    if (found.size > 0) yield found;
  }
}

/** The live ids of some buckets with their packed entries (latin-1). */
export async function entriesOfBuckets(
  { redis, keys }: StoreContext,
  first: number,
  count: number,
): Promise<Map<string, string>> {
  const buckets = await Promise.all(
    Array.from({ length: count }, (_, i) => redis.hgetallBuffer(`${keys.indexPrefix}${first + i}`)),
  );
  const found = new Map<string, string>();
  for (const bucket of buckets) {
    for (const id of Object.keys(bucket)) found.set(id, bucket[id]!.toString("latin1"));
  }
  return found;
}

/**
 * The content elements of records by their entries (latin-1): none where the record is not live or its content is gone.
 * They are those of the entries while these stand.
 */
export function readContents(
  { redis, keys }: StoreContext,
  ids: readonly string[],
  entries: readonly string[],
): Promise<Buffer[][]> {
  return Promise.all(
    ids.map(async (id, i) => {
      const inline = entries[i] === "" ? undefined : unpackIndexEntry(entries[i]!).inline;
      return inline === undefined
        ? await redis.lrangeBuffer(keys.record(id), 0, -1)
        : [Buffer.from(inline, "latin1")];
    }),
  );
}

/** Counts the live records and corrects their count. Nothing may write meanwhile. */
export async function recount({ redis, keys }: StoreContext): Promise<void> {
  let live = 0;
  for (let first = 0; first < INDEX_BUCKETS; first += IDS_A_CALL) {
    const some = Array.from({ length: Math.min(IDS_A_CALL, INDEX_BUCKETS - first) }, (_, i) => first + i);
    const sizes = await Promise.all(some.map((bucket) => redis.hlen(`${keys.indexPrefix}${bucket}`)));
    live += sizes.reduce((sum, size) => sum + size, 0);
  }
  if (Number(await redis.hget(keys.meta, "live")) !== live) await redis.hset(keys.meta, "live", live);
}
