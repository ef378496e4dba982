/** Reads of the index: entries by id, pages of ids. */

import { bucketOf, INDEX_BUCKETS } from "../redis/indexBuckets.ts";
import { loadScript } from "../redis/scripts.ts";
import { FrameWriter } from "./frame.ts";
import { chunksOf, type StoreContext } from "./storeContext.ts";

const readScript = loadScript(new URL("./lua/readEntries-1.lua", import.meta.url));

/** Ids a call: about a millisecond of the server's time. */
const IDS_A_CALL = 500;
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
  { redis, keys }: StoreContext,
  signal?: AbortSignal,
): AsyncGenerator<Map<string, string>> {
  for (let first = 0; first < INDEX_BUCKETS; first += BUCKETS_AT_ONCE) {
    signal?.throwIfAborted();
    const some = Array.from({ length: BUCKETS_AT_ONCE }, (_, i) => first + i);
    const buckets = await Promise.all(
      some.map((bucket) => redis.hgetallBuffer(`${keys.indexPrefix}${bucket}`)),
    );
    const found = new Map<string, string>();
    for (const bucket of buckets) {
      for (const id of Object.keys(bucket)) found.set(id, bucket[id]!.toString("latin1"));
    }
    if (found.size > 0) yield found;
  }
}
