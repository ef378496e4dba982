/**
 * The index of links: which records of this provider name a given record of this or another provider. Commits and removals
 * keep it in the script that writes the record, so it never differs from what a walk over all records would find.
 *
 * A named record has one HASH in this provider's slot (lua/links.lua has its layout): an edge costs about 5 bytes where
 * many neighbouring ids name the same record, as CVEs name a CWE. A record that is a relation between two others, as a
 * STIX relationship is, is found from both: `linksTo` its target, `linksFrom` its start.
 *
 * A store of an older version has records without an index. `buildLinks` makes it from the stored records while runs and
 * readers go on; `meta.links` says how far it is: `<version>` complete, `drop <version>` what was there before goes,
 * `build <version> <bucket>` the records of the buckets before this one are in. Every step is repeatable, so any number of
 * processes may build at once, and one that is killed is continued by the next.
 */
import { isUeeError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { type Link, linksOf } from "../core/links.ts";
import { INDEX_BUCKETS } from "../redis/indexBuckets.ts";
import { loadScript } from "../redis/scripts.ts";
import type { LinkedPage } from "./contract.ts";
import { FrameWriter } from "./frame.ts";
import { entriesOfBuckets, readContents, readEntries } from "./indexReads.ts";
import { chunksOf, contended, MAX_ROUNDS, STEP_RECORDS, type StoreContext } from "./storeContext.ts";

const linkScript = loadScript(new URL("./lua/link-n.lua", import.meta.url));
const stateScript = loadScript(new URL("./lua/linkState-n.lua", import.meta.url));

/** Raise it when the index is stored differently. */
const LAYOUT = 1;
const BUCKETS_A_STEP = 64;
const ID_END_BYTES = 3;

/** The index keys that a record with this content belongs to, each once. */
export const linkKeys = (context: StoreContext, data: JsonObject): string[] =>
  keysOfLinks(context, linksOf(context.provider, data));

export function keysOfLinks({ keys }: StoreContext, links: readonly Link[]): string[] {
  const found = new Set<string>();
  for (const { provider: other, id, from } of links) {
    found.add(keys.linksTo(other, id));
    if (from !== undefined) found.add(keys.linksFrom(from));
  }
  return [...found];
}

/** The ids under one key of the index: those after `after`, at most `limit`. */
export async function readLinks(
  { redis }: StoreContext,
  key: string,
  { limit, after = "" }: { limit: number; after?: string },
): Promise<LinkedPage> {
  // Bytes as latin-1: an id may be cut inside a character, and only the ids of the page are decoded.
  const flat = ((await redis.callBuffer("HGETALL", key)) as Buffer[]).map((part) => part.toString("latin1"));
  const from = Buffer.from(after).toString("latin1");
  const rest: string[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [start, ends] = [flat[i]!, flat[i + 1]!];
    for (let at = 0; at < ends.length; at += ID_END_BYTES) {
      const id = start + ends.slice(at, at + ID_END_BYTES);
      if (id > from) rest.push(id);
    }
  }
  const page = rest.sort().slice(0, limit);
  const ids = page.map((id) => Buffer.from(id, "latin1").toString().replace(/\0+$/, ""));
  return { ids, left: rest.length - ids.length };
}

const versionOf = ({ provider }: StoreContext): string => `${LAYOUT}.${provider.version}`;

/** Whether the index holds every record: it does but for stores of an older version, until it is built. */
export async function linksComplete(context: StoreContext): Promise<boolean> {
  if (context.provider.links === undefined) return true;
  return (await context.redis.hget(context.keys.meta, "links")) === versionOf(context);
}

/** Makes the index complete; yields the number of records that were walked, after each step. */
export async function* buildLinks(context: StoreContext): AsyncGenerator<number> {
  if (context.provider.links === undefined) return;
  const { redis, keys } = context;
  const version = versionOf(context);
  const moveOn = (read: string, next: string): Promise<unknown> =>
    stateScript.run(redis, [keys.meta], [read, next]);
  let walked = 0;
  for (;;) {
    const state = (await redis.hget(keys.meta, "links")) ?? "";
    if (state === version) return;
    const [step, of, bucket] = state.split(" ");
    if (of !== version) {
      // A store without records has nothing to walk: every record that comes from now on brings its links.
      const isEmpty = state === "" && Number((await redis.hget(keys.meta, "live")) ?? "0") === 0;
      await moveOn(state, isEmpty ? version : `drop ${version}`);
    } else if (step === "drop") {
      if (await dropAll(context, state)) await moveOn(state, `build ${version} 0`);
    } else {
      const first = Number(bucket);
      if (first >= INDEX_BUCKETS) await moveOn(state, version);
      else {
        const entries = await entriesOfBuckets(context, first, BUCKETS_A_STEP);
        await linkRecords(context, entries);
        walked += entries.size;
        await moveOn(state, `build ${version} ${first + BUCKETS_A_STEP}`);
        yield walked;
      }
    }
  }
}

/** Returns false where another process has moved on meanwhile. */
async function dropAll({ redis, keys }: StoreContext, state: string): Promise<boolean> {
  const pattern = `${keys.linksPrefix.replace(/[\\*?[\]]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(cursor, "MATCH", pattern, "COUNT", 1_000);
    cursor = next;
    if (found.length === 0) continue;
    if (Number(await stateScript.run(redis, [keys.meta, ...found], [state, state])) === 0) return false;
  } while (cursor !== "0");
  return true;
}

const frame = new FrameWriter();

/** Adds the records of these entries. Those that change meanwhile are read again. */
async function linkRecords(context: StoreContext, entries: ReadonlyMap<string, string>): Promise<void> {
  let todo = [...entries];
  for (let round = 0; todo.length > 0; round++) {
    if (round === MAX_ROUNDS) throw contended(todo.map(([id]) => id));
    const changed: string[] = [];
    for (const chunk of chunksOf(todo, STEP_RECORDS)) changed.push(...(await linkStep(context, chunk)));
    const now = await readEntries(context, changed);
    todo = changed.map((id, i) => [id, now[i]!] as const).filter(([, entry]) => entry !== "") as typeof todo;
  }
}

/** Returns the ids whose entry is another one by now. */
async function linkStep(context: StoreContext, step: readonly [string, string][]): Promise<string[]> {
  const { redis, keys, content } = context;
  const contents = await readContents(
    context,
    step.map(([id]) => id),
    step.map(([, entry]) => entry),
  );
  const scriptKeys: string[] = [];
  const added: string[] = [];
  frame.reset();
  step.forEach(([id, entry], i) => {
    const links = linksStored(() => linkKeys(context, content.decode(id, contents[i]!).data));
    if (links.length === 0) return;
    frame.text(id).latin1(entry).uint16(links.length);
    scriptKeys.push(keys.indexBucket(id), ...links);
    added.push(id);
  });
  if (added.length === 0) return [];
  const changed = (await linkScript.run(redis, scriptKeys, [added.length, frame.cut()])) as number[];
  return changed.map((i) => added[i]!);
}

/** A record whose content is damaged or gone has none: a reader of it is told so, and the next run stores it again. */
function linksStored(read: () => string[]): string[] {
  try {
    return read();
  } catch (error) {
    if (isUeeError(error, "STOR_CORRUPT")) return [];
    throw error;
  }
}
