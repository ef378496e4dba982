/** Finds the records that a pass has not seen, and removes records while their run is closing. */
import { INDEX_BUCKETS } from "../redis/indexBuckets.ts";
import { loadScript } from "../redis/scripts.ts";
import type { Attempt } from "./contract.ts";
import { FrameWriter } from "./frame.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { readContents, readEntries } from "./indexReads.ts";
import { linkKeys } from "./links.ts";
import {
  assertAllowed,
  chunksOf,
  contended,
  MAX_ROUNDS,
  recordChangesKept,
  STEP_RECORDS,
  type StoreContext,
} from "./storeContext.ts";
import { tombstoneTail } from "./tombstones.ts";

const removeScript = loadScript(new URL("./lua/remove-n.lua", import.meta.url));
const unseenScript = loadScript(new URL("./lua/unseen-2.lua", import.meta.url));

/** Ids a call: a millisecond or two of the server's time. */
const IDS_A_CALL = 1_000;
const MOST_BUCKETS_A_CALL = 64;
const CALLS_IN_FLIGHT = 8;

const frame = new FrameWriter();

/** Pages of live ids without a mark of this pass, each id once. */
export async function* unseenIds(
  { redis, keys }: StoreContext,
  runId: string,
  pass: number,
): AsyncGenerator<string[]> {
  const { seen } = keys.run(runId);
  const live = Number(await redis.hget(keys.meta, "live"));
  // A power of two, as their number is: the calls end with the last bucket.
  let buckets = MOST_BUCKETS_A_CALL;
  while (buckets > 1 && (buckets * live) / INDEX_BUCKETS > IDS_A_CALL) buckets /= 2;
  for (let first = 0; first < INDEX_BUCKETS; first += buckets * CALLS_IN_FLIGHT) {
    const calls = Array.from({ length: CALLS_IN_FLIGHT }, (_, i) =>
      unseenScript.run(redis, [keys.indexPrefix, seen], [first + i * buckets, buckets, pass]),
    );
    const ids = ((await Promise.all(calls)) as string[][]).flat();
    if (ids.length > 0) yield ids;
  }
}

/** Returns how many went now. Throws STOR_RUN_CLOSED unless the run is closing, STOR_FENCED, STOR_CONTENDED. */
export async function removeRecords(
  context: StoreContext,
  attempt: Attempt,
  ids: readonly string[],
  reason: string,
): Promise<number> {
  let removed = 0;
  let todo = [...new Set(ids)];
  for (let round = 0; todo.length > 0; round++) {
    if (round === MAX_ROUNDS) throw contended(todo);
    const conflicts: string[] = [];
    for (const chunk of chunksOf(todo, STEP_RECORDS)) {
      const outcomes = await removeStep(context, attempt, chunk, reason);
      chunk.forEach((id, i) => {
        if (outcomes[i] === "r") removed++;
        else if (outcomes[i] === "x") conflicts.push(id);
      });
    }
    todo = conflicts;
  }
  return removed;
}

async function removeStep(
  context: StoreContext,
  attempt: Attempt,
  ids: string[],
  reason: string,
): Promise<string> {
  const { redis, keys, content } = context;
  const run = keys.run(attempt.runId);
  const entries = await readEntries(context, ids);
  const contents = await readContents(context, ids, entries);
  const recordKeys: string[] = [];
  frame.reset();
  ids.forEach((id, i) => {
    const base = entries[i]!;
    const elements = contents[i]!;
    const stored = elements.length === 0 ? undefined : content.decode(id, elements);
    const aliases = (stored?.aliases ?? []).map((alias) => keys.alias(alias));
    const links = stored === undefined ? [] : linkKeys(context, stored.data);
    const firstSeen = base === "" ? 0 : unpackIndexEntry(base).firstSeen;
    const tail = tombstoneTail(reason, attempt.runId, firstSeen);
    frame.text(id).latin1(base).text(tail).uint16(aliases.length).uint16(links.length);
    recordKeys.push(keys.indexBucket(id), keys.record(id), ...aliases, ...links);
  });
  const [code, outcomes] = (await removeScript.run(
    redis,
    [run.run, run.fences, keys.tombstones, keys.changes, keys.meta, ...recordKeys],
    [attempt.batchKey, attempt.fence, attempt.runId, recordChangesKept(context), ids.length, frame.cut()],
  )) as [number, string];
  assertAllowed(code, attempt);
  return outcomes;
}
