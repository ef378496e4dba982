/**
 * The dead letters of one provider. Every change is one script, so that the index, its counts and the dead letter never
 * disagree; a second caller finds that the dead letter has moved. The set is never loaded: it is read a page at a time.
 */
import type { Redis } from "ioredis";
import type { NamedRequest } from "../../core/actor.ts";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScripts } from "../../redis/scripts.ts";
import { redisMs } from "../../redis/time.ts";
import { accepted, CHECKPOINTS_KEPT } from "../../runs/batches.ts";
import type { BatchEntry, BatchResult } from "../../runs/runRecord.ts";
import type { DeadLetter, DeadLetterClass, DeadLetterState } from "./api.ts";
import {
  deadLetterIdOf,
  type Failure,
  failureFields,
  type IndexFilter,
  type IndexPlace,
  type StoredDeadLetter,
  toStoredDeadLetter,
} from "./deadLetter.ts";

const scripts = loadScripts(import.meta.url, [
  "markBatchDead-6",
  "dropDeadLetter-5",
  "changeDeadLetter-1",
  "adoptDeadLetter-2",
]);

/** Dead letters read at a time, at most. */
const PAGE = 200;
/** And at least: many may have failed in the same millisecond, and those before a place are passed over. */
const LEAST = 20;

export interface DeadLetterCounts {
  total: number;
  byState: Record<DeadLetterState, number>;
  byCode: Record<string, number>;
  byClass: Record<string, number>;
  replays: number;
  maxReplays: number;
  rawBytes: number;
  /** Raw bytes of dead letters that are not accepted: what counts towards the cap. */
  countedBytes: number;
  /** A dead letter was created at the cap, and the provider was not paused for it yet. */
  fullDue: boolean;
  oldest: string | null;
  newest: string | null;
}

const after = (letter: IndexPlace, from: IndexPlace | null): boolean =>
  from === null || letter.ms < from.ms || (letter.ms === from.ms && letter.id < from.id);

/** What fills a provider's dead letters, whichever comes first. */
export interface DeadLetterLimits {
  entries: number;
  rawBytes: number;
}

export const DEAD_LETTER_LIMITS: DeadLetterLimits = { entries: 10_000, rawBytes: 256_000_000 };

/** A batch that is given up. */
export type DeadBatch = Pick<BatchEntry, "key" | "kind" | "size" | "letter"> & {
  /** The id of a bad record, where it has one. */
  subject?: string;
};

export interface MarkedDead {
  outstanding: number;
  /** Dead letters that count towards the cap now, and their raw bytes. */
  letters: number;
  rawBytes: number;
  /** It was no dead letter before. */
  isNew: boolean;
}

export class DeadLetterStore {
  readonly keys: ProviderKeys;
  readonly limits: DeadLetterLimits;
  readonly #redis: Redis;

  constructor(redis: Redis, keys: ProviderKeys, limits: DeadLetterLimits = DEAD_LETTER_LIMITS) {
    this.#redis = redis;
    this.keys = keys;
    this.limits = limits;
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    return toStoredDeadLetter(id, await this.#redis.hgetall(this.keys.deadLetters.one(id)));
  }

  /** In the order asked for; without those that are gone. */
  async many(ids: readonly string[]): Promise<StoredDeadLetter[]> {
    const found = await Promise.all(ids.map((id) => this.get(id)));
    return found.filter((letter): letter is StoredDeadLetter => letter !== undefined);
  }

  /** Jobs in the failed set that dead letters speak of. */
  jobCount(): Promise<number> {
    return this.#redis.hlen(this.keys.deadLetters.jobs);
  }

  async jobsWithoutLetter(jobIds: readonly string[]): Promise<string[]> {
    if (jobIds.length === 0) return [];
    const known = await this.#redis.hmget(this.keys.deadLetters.jobs, ...jobIds);
    return jobIds.filter((_, i) => known[i] === null);
  }

  /** The dead letter whose job has this id in the failed set. */
  idOfJob(jobId: string): Promise<string | null> {
    return this.#redis.hget(this.keys.deadLetters.jobs, jobId);
  }

  /** Letters after `from` that fit, the newest failure first, at most `limit`. Fewer mean that there are no more. */
  async page(filter: IndexFilter, from: IndexPlace | null, limit: number): Promise<StoredDeadLetter[]> {
    const { deadLetters } = this.keys;
    const { code, class: name, state } = filter;
    // Lists of one property, from the one with the fewest dead letters to the one with all, as a rule.
    let index = deadLetters.index;
    if (state !== undefined) index = deadLetters.state(state);
    if (name !== undefined) index = deadLetters.class(name);
    if (code !== undefined) index = deadLetters.code(code);
    const min = filter.after === undefined ? "-inf" : String(filter.after);
    let max = filter.before === undefined ? "+inf" : `(${filter.before}`;
    if (from && (filter.before === undefined || from.ms < filter.before)) max = String(from.ms);
    let offset = 0;
    const found: StoredDeadLetter[] = [];
    // What is kept by one property holds nothing else: little more is read than is wanted.
    const sieves = [code, name, state].filter((wanted) => wanted !== undefined).length;
    for (;;) {
      const page = sieves < 2 ? Math.min(PAGE, Math.max(LEAST, limit - found.length)) : PAGE;
      const flat = await this.#redis.zrevrangebyscore(index, max, min, "WITHSCORES", "LIMIT", offset, page);
      const places: IndexPlace[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) places.push({ id: flat[i]!, ms: Number(flat[i + 1]) });
      const letters = await this.many(places.filter((place) => after(place, from)).map(({ id }) => id));
      for (const letter of letters) {
        if (code !== undefined && letter.code !== code) continue;
        if (name !== undefined && letter.class !== name) continue;
        if (state !== undefined && letter.state !== state) continue;
        found.push(letter);
        if (found.length === limit) return found;
      }
      const last = places.at(-1);
      if (last === undefined || places.length < page) return found;
      // On from the last one's time; those of the same time that were read already are left out.
      const read = places.filter(({ ms }) => ms === last.ms).length;
      offset = max === String(last.ms) ? offset + read : read;
      max = String(last.ms);
    }
  }

  /** All dead letters that fit, in this order, a page at a time. */
  async *pages(filter: IndexFilter, size = PAGE): AsyncGenerator<StoredDeadLetter[]> {
    let from: IndexPlace | null = null;
    for (;;) {
      const page: StoredDeadLetter[] = await this.page(filter, from, size);
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < size) return;
      from = { ms: last.lastMs, id: last.id };
    }
  }

  /** Ids of one class, some at a time, in no order; one may come twice. */
  async *idsOfClass(name: DeadLetterClass, count: number): AsyncGenerator<string[]> {
    let cursor = "0";
    do {
      const [next, flat] = await this.#redis.zscan(this.keys.deadLetters.class(name), cursor, "COUNT", count);
      cursor = next;
      const ids = flat.filter((_, i) => i % 2 === 0);
      if (ids.length > 0) yield ids;
    } while (cursor !== "0");
  }

  async counts(): Promise<DeadLetterCounts> {
    const { deadLetters: letters } = this.keys;
    const [total, h, oldest, newest, replayed] = await Promise.all([
      this.#redis.zcard(letters.index),
      this.#redis.hgetall(letters.counts),
      this.#redis.zrange(letters.first, 0, "0", "WITHSCORES"),
      this.#redis.zrevrange(letters.index, 0, 0, "WITHSCORES"),
      this.#redis.zrevrange(letters.replays, 0, 0, "WITHSCORES"),
    ]);
    const int = (name: string): number => Number(h[name] ?? "0");
    const group = (stem: string): Record<string, number> =>
      Object.fromEntries(
        Object.entries(h)
          .filter(([name]) => name.startsWith(stem))
          .map(([name, value]) => [name.slice(stem.length), Number(value)]),
      );
    const iso = (pair: string[]): string | null =>
      pair[1] === undefined ? null : new Date(Number(pair[1])).toISOString();
    return {
      total,
      byState: {
        dead: int("state:dead"),
        replaying: int("state:replaying"),
        accepted: int("state:accepted"),
      },
      byCode: group("code:"),
      byClass: group("class:"),
      replays: int("replays"),
      maxReplays: Number(replayed[1] ?? "0"),
      rawBytes: int("bytes"),
      countedBytes: int("countedBytes"),
      fullDue: h.fullDue === "1",
      oldest: iso(oldest),
      newest: iso(newest),
    };
  }

  /**
   * Marks a batch dead and writes its dead letter; without an attempt (`fence` null) when the reconciler found its job in the
   * failed set.
   */
  async markBatchDead(
    runId: string,
    entry: DeadBatch,
    fence: number | null,
    failure: Failure,
  ): Promise<MarkedDead> {
    const run = this.keys.run(runId);
    const now = await redisMs(this.#redis);
    const result: BatchResult = { urn: null, records: 0, error: failure.error };
    const newLetter = [
      ...["kind", entry.kind, "run", runId, "batch", entry.key],
      ...["subject", entry.subject ?? entry.key, "size", entry.size],
    ];
    const reply = (await scripts.markBatchDead.run(
      this.#redis,
      [run.run, run.status, run.fences, run.results, this.keys.checkpoints, this.keys.deadLetters.index],
      [
        ...[entry.key, fence ?? "", JSON.stringify(result), entry.kind, "", failure.error.code],
        ...[new Date(now).toISOString(), runId, CHECKPOINTS_KEPT],
        // A dead letter that is replayed elsewhere was counted when it died first.
        entry.letter ? 0 : entry.size,
        ...[entry.letter?.letter ?? deadLetterIdOf(runId, entry.key), now],
        ...[this.limits.entries, this.limits.rawBytes],
        ...failureFields(failure),
        "|",
        ...newLetter,
      ],
    )) as [number, number, number, number];
    if (reply[0] === -3) return { outstanding: 0, letters: 0, rawBytes: 0, isNew: false };
    const outstanding = accepted(reply[0], "marking the batch dead");
    return { outstanding, letters: reply[1], rawBytes: reply[2], isNew: reply[3] === 1 };
  }

  /**
   * Drops a dead letter: its replay committed, a verified run covered it, or an operator purges it. Its job must be gone
   * from the failed set before: without a dead letter it would get a new one. Undefined when it moved meanwhile.
   * `slicesHeld`: dead letters that still refer to staged slices of the run in which it gave up.
   */
  async drop(
    letter: StoredDeadLetter,
    how: "settle" | "cover" | "purge",
  ): Promise<{ slicesHeld: number; runClosed: boolean } | undefined> {
    const { deadLetters, badRecords, badRecordRaw, run } = this.keys;
    const { id, runId, batch, replay } = letter;
    const read = how === "settle" ? [replay?.runId ?? "", replay?.key ?? ""] : [letter.state, letter.replays];
    const reply = (await scripts.dropDeadLetter.run(
      this.#redis,
      [deadLetters.index, badRecords, badRecordRaw(id), run(runId).run, run(runId).status],
      [id, how, ...read, batch],
    )) as [number, number | string, string];
    if (reply[0] !== 1) return undefined;
    return { slicesHeld: Number(reply[1]), runClosed: reply[2] === "closed" };
  }

  /** Sets fields of a letter that is as `expected` says. */
  async change(
    id: string,
    expected: Record<string, string>,
    fields: Record<string, string | number>,
  ): Promise<"changed" | "moved" | "gone"> {
    const conditions = Object.entries(expected);
    const [reply] = (await scripts.changeDeadLetter.run(
      this.#redis,
      [this.keys.deadLetters.index],
      [id, conditions.length, ...conditions.flat(), ...Object.entries(fields).flat()],
    )) as [number];
    return reply === 1 ? "changed" : reply === 0 ? "moved" : "gone";
  }

  accept(id: string, by: NamedRequest & { at: string }): Promise<"changed" | "moved" | "gone"> {
    return this.change(
      id,
      { state: "dead", kind: "record" },
      { state: "accepted", action: "accept", actor: by.actor, reason: by.reason ?? "", actionAt: by.at },
    );
  }

  /** The replay will not happen: its run was stopped. The dead letter is as it was, but that it was replayed once more. */
  async giveBack(letter: StoredDeadLetter): Promise<boolean> {
    const { replay } = letter;
    if (replay === null) return false;
    const outcome = await this.change(
      letter.id,
      { state: "replaying", replayRun: replay.runId, replayKey: replay.key },
      { state: "dead", replayRun: "", replayKey: "" },
    );
    return outcome === "changed";
  }

  /** Its job is no longer in the failed set. */
  async forgetJob(id: string, jobId: string): Promise<void> {
    await this.change(id, { job: jobId }, { job: "" });
  }

  /** A failed job without a dead letter gets one. False when it has one. */
  async adopt(letter: {
    id: string;
    kind: DeadLetter["kind"];
    runId: string;
    batch: string;
    subject: string;
    size: number;
    failedMs: number;
    failure: Failure;
  }): Promise<boolean> {
    const fields = [
      ...failureFields(letter.failure),
      ...["run", letter.runId, "batch", letter.batch, "subject", letter.subject, "size", letter.size],
    ];
    const [reply] = (await scripts.adoptDeadLetter.run(
      this.#redis,
      [this.keys.deadLetters.index, this.keys.run(letter.runId).run],
      [
        ...[letter.id, letter.failure.jobId, letter.kind, letter.failedMs],
        ...[this.limits.entries, this.limits.rawBytes, ...fields],
      ],
    )) as [number];
    return reply === 1;
  }

  /** Notes when a good version of a record was fetched (µs), so that no replay of older bytes takes it back. */
  async supersede(id: string, fetchedAt: number): Promise<void> {
    for (;;) {
      const { supersededAt } = (await this.get(id)) ?? { supersededAt: fetchedAt };
      if (supersededAt >= fetchedAt) return;
      const known = supersededAt === 0 ? "" : String(supersededAt);
      if ((await this.change(id, { supersededAt: known }, { supersededAt: fetchedAt })) !== "moved") return;
    }
  }

  /** The provider was paused for being full; another dead letter at the cap will pause it again. */
  async pausedForFull(): Promise<void> {
    await this.#redis.hdel(this.keys.deadLetters.counts, "fullDue");
  }
}
