/** Marks of ids that a run has seen without writing their records; up to 250 a call. */
import { bucketOf } from "../redis/indexBuckets.ts";
import { loadScript } from "../redis/scripts.ts";
import type { Attempt, Regression, Seen } from "./contract.ts";
import { FrameWriter } from "./frame.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { readEntries } from "./indexReads.ts";
import { markTime } from "./staleness.ts";
import { assertAllowed, type StoreContext } from "./storeContext.ts";

const markScript = loadScript(new URL("./lua/mark-6.lua", import.meta.url));

/** About a millisecond of the server's time. */
export const MARKS_A_CALL = 250;

export interface Mark {
  readonly id: string;
  /** Index entry that the record was compared with; empty where the mark holds whatever is stored. */
  readonly base: string;
  /** Set where a lower version was refused: what the run remembers of it. */
  readonly regressedDigest?: string;
  /** Set where it was refused as fetched earlier: the stored fetch time, µs, that it was compared with. */
  readonly refusedFor?: number;
}

const frame = new FrameWriter();

/** Returns the marks whose base is there no longer. Throws STOR_RUN_CLOSED or STOR_FENCED. */
export async function markSeen<M extends Mark>(
  context: StoreContext,
  attempt: Attempt,
  code: "n" | "d" | "a" | "m" | "f",
  fetchedAt: number,
  marks: readonly M[],
): Promise<M[]> {
  const { redis, keys } = context;
  const run = keys.run(attempt.runId);
  frame.reset();
  for (const { id, base } of marks) frame.uint16(bucketOf(id)).text(id).latin1(base);
  const regressed = marks.filter((mark) => mark.regressedDigest !== undefined);
  for (const mark of regressed) frame.text(mark.id).text(mark.regressedDigest!);
  let refusals = 0;
  let newest = 0;
  marks.forEach(({ refusedFor }, i) => {
    if (refusedFor === undefined) return;
    refusals++;
    newest = Math.max(newest, refusedFor);
    frame.text(String(i + 1)).text(markTime(refusedFor));
  });
  const [refused, conflicts = []] = (await markScript.run(
    redis,
    [run.run, run.fences, run.seen, keys.indexPrefix, run.regressed, keys.meta],
    [
      attempt.batchKey,
      attempt.fence,
      attempt.pass,
      code,
      markTime(fetchedAt),
      marks.length,
      regressed.length,
      refusals,
      frame.cut(),
      newest,
      copyName(attempt),
    ],
  )) as [number, number[]?];
  assertAllowed(refused, attempt);
  return conflicts.map((i) => marks[i]!);
}

/** Which copy of its records an attempt marks: the same for every attempt at the batch (see tag in lua/seen.lua). */
export const copyName = ({ batchKey, copy = 0 }: Attempt): string => `${batchKey}#${copy}`;

/** Does the mark say that the upstream serves the id more than once, with different content? */
export const hasDifferentCopies = (mark: string | null | undefined): boolean => mark?.endsWith("~") ?? false;

/** Reads a mark, `<code><pass>:<fetch time>@…` (lua/seen.lua). */
export function parseMark(mark: string): Seen {
  const [, code, pass, fetchedAt] = /^(\w)(\d+):(\w*)/.exec(mark) ?? [];
  return {
    good: code !== "d" && code !== "a",
    pass: Number(pass),
    fetchedAt: Number.parseInt(fetchedAt ?? "0", 36),
  };
}

/** See ProviderRecords. `HSCAN` may give an id twice: those met are held, and there are few. */
export async function* regressions(
  context: StoreContext,
  runId: string,
  pass: number,
): AsyncGenerator<Regression[]> {
  const { redis, keys } = context;
  const run = keys.run(runId);
  const met = new Set<string>();
  let cursor = "0";
  do {
    const [next, flat] = await redis.hscan(run.regressed, cursor, "COUNT", MARKS_A_CALL);
    cursor = next;
    const found: { id: string; fetchedAt: number }[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [noted, , fetched = ""] = flat[i + 1]!.split(":");
      if (Number(noted) !== pass || met.has(flat[i]!)) continue;
      met.add(flat[i]!);
      found.push({ id: flat[i]!, fetchedAt: Number.parseInt(fetched, 36) });
    }
    if (found.length === 0) continue;
    const ids = found.map(({ id }) => id);
    const [marks, entries] = await Promise.all([redis.hmget(run.seen, ...ids), readEntries(context, ids)]);
    yield found.map(({ id, fetchedAt }, i) => ({
      id,
      confirmed: marks[i] !== null && parseMark(marks[i]!).fetchedAt > fetchedAt,
      unchanged: marks[i]?.startsWith("n") ?? false,
      lastModified: entries[i] === "" ? undefined : unpackIndexEntry(entries[i]!).lastModified,
    }));
  } while (cursor !== "0");
}
