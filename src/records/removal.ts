/** Finds the records that a pass has not seen, and removes records while their run is closing. */
import { loadScript } from "../redis/scripts.ts";
import { decodeHead } from "./codec.ts";
import type { Attempt } from "./contract.ts";
import { FrameWriter } from "./frame.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import {
  assertAllowed,
  chunksOf,
  contended,
  MAX_ROUNDS,
  STEP_RECORDS,
  type StoreContext,
} from "./storeContext.ts";
import { tombstoneTail } from "./tombstones.ts";

const removeScript = loadScript(new URL("./lua/remove-n.lua", import.meta.url));
const unseenScript = loadScript(new URL("./lua/unseen-2.lua", import.meta.url));

/** Ids a look: a millisecond or two of Redis' time. */
const SCAN_COUNT = 1_000;

const frame = new FrameWriter();

/** Pages of live ids without a mark of this pass, each id once; memory: the ids yielded. */
export async function* unseenIds(
  { redis, keys }: StoreContext,
  runId: string,
  pass: number,
): AsyncGenerator<string[]> {
  const { seen } = keys.run(runId);
  const yielded = new Set<string>();
  let cursor = "0";
  do {
    const [next, ids] = (await unseenScript.run(redis, [keys.index, seen], [cursor, SCAN_COUNT, pass])) as [
      string,
      string[],
    ];
    cursor = next;
    const page = ids.filter((id) => !yielded.has(id));
    for (const id of page) yielded.add(id);
    if (page.length > 0) yield page;
  } while (cursor !== "0");
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
  const { redis, keys } = context;
  const run = keys.run(attempt.runId);
  const [entries, heads] = await Promise.all([
    redis.hmgetBuffer(keys.index, ...ids),
    Promise.all(ids.map((id) => redis.hgetBuffer(keys.record(id), "h"))),
  ]);
  const recordKeys: string[] = [];
  frame.reset();
  ids.forEach((id, i) => {
    const base = entries[i]?.toString("latin1") ?? "";
    const stored = heads[i];
    const head = stored ? decodeHead(id, stored) : undefined;
    const aliases = head?.aliases ?? [];
    const known = base === "" ? 0 : Math.floor(unpackIndexEntry(base).fetchedAt / 1000);
    const tail = tombstoneTail(reason, attempt.runId, head?.firstSeen ?? known);
    frame.text(id).latin1(base).text(tail).uint16(aliases.length);
    recordKeys.push(keys.record(id), ...aliases.map((alias) => keys.alias(alias)));
  });
  const [code, outcomes] = (await removeScript.run(
    redis,
    [run.run, run.fences, keys.index, keys.changed, keys.tombstones, keys.changes, keys.meta, ...recordKeys],
    [attempt.batchKey, attempt.fence, attempt.runId, context.changesLimit, ids.length, frame.cut()],
  )) as [number, string];
  assertAllowed(code, attempt);
  return outcomes;
}
