/** What the index of dead letters tells: pages, counts, single dead letters. Never loads the set: a page at a time. */
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../../redis/keys.ts";
import type { DeadLetterClass, DeadLetterState } from "./api.ts";
import { type StoredDeadLetter, toStoredDeadLetter } from "./deadLetter.ts";

/** Dead letters read at a time, at most. */
const PAGE = 200;
/** And at least: many may have failed in the same millisecond, and those before a place are passed over. */
const LEAST = 20;

/** Everything given must hold; times are those of the last failure, ms. */
export interface IndexFilter {
  code?: string;
  class?: DeadLetterClass;
  state?: DeadLetterState;
  /** Failed last before this. */
  before?: number;
  /** Failed last at this time or later. */
  after?: number;
}

/** A place in the order: newest failure first, then by id downwards. */
export interface IndexPlace {
  ms: number;
  id: string;
}

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

export class DeadLetterReads {
  readonly keys: ProviderKeys;
  protected readonly redis: Redis;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.redis = redis;
    this.keys = keys;
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    return toStoredDeadLetter(id, await this.redis.hgetall(this.keys.deadLetters.one(id)));
  }

  /** In the order asked for; without those that are gone. */
  async many(ids: readonly string[]): Promise<StoredDeadLetter[]> {
    const found = await Promise.all(ids.map((id) => this.get(id)));
    return found.filter((letter): letter is StoredDeadLetter => letter !== undefined);
  }

  /** Jobs in the failed set that dead letters speak of. */
  jobCount(): Promise<number> {
    return this.redis.hlen(this.keys.deadLetters.jobs);
  }

  async jobsWithoutLetter(jobIds: readonly string[]): Promise<string[]> {
    if (jobIds.length === 0) return [];
    const known = await this.redis.hmget(this.keys.deadLetters.jobs, ...jobIds);
    return jobIds.filter((_, i) => known[i] === null);
  }

  /** The dead letter whose job lies in the failed set under this id. */
  idOfJob(jobId: string): Promise<string | null> {
    return this.redis.hget(this.keys.deadLetters.jobs, jobId);
  }

  /** Letters after `from` that fit, the newest failure first, at most `limit`. Fewer mean that there are no more. */
  async page(filter: IndexFilter, from: IndexPlace | null, limit: number): Promise<StoredDeadLetter[]> {
    const index = await this.#narrowest(filter);
    const min = filter.after === undefined ? "-inf" : String(filter.after);
    let max = filter.before === undefined ? "+inf" : `(${filter.before}`;
    if (from && (filter.before === undefined || from.ms < filter.before)) max = String(from.ms);
    let offset = 0;
    const found: StoredDeadLetter[] = [];
    // What is kept by one property holds nothing else: little more is read than is wanted.
    const sieves = [filter.code, filter.class, filter.state].filter((wanted) => wanted !== undefined).length;
    for (;;) {
      const page = sieves < 2 ? Math.min(PAGE, Math.max(LEAST, limit - found.length)) : PAGE;
      const flat = await this.redis.zrevrangebyscore(index, max, min, "WITHSCORES", "LIMIT", offset, page);
      const places: IndexPlace[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) places.push({ id: flat[i]!, ms: Number(flat[i + 1]) });
      const letters = await this.many(places.filter((place) => after(place, from)).map(({ id }) => id));
      for (const letter of letters) {
        if (filter.code !== undefined && letter.code !== filter.code) continue;
        if (filter.class !== undefined && letter.class !== filter.class) continue;
        if (filter.state !== undefined && letter.state !== filter.state) continue;
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
      const [next, flat] = await this.redis.zscan(this.keys.deadLetters.class(name), cursor, "COUNT", count);
      cursor = next;
      const ids = flat.filter((_, i) => i % 2 === 0);
      if (ids.length > 0) yield ids;
    } while (cursor !== "0");
  }

  /** The shortest list that holds all that fit. */
  async #narrowest(filter: IndexFilter): Promise<string> {
    const { deadLetters: letters } = this.keys;
    const lists = [
      ...(filter.code === undefined ? [] : [letters.code(filter.code)]),
      ...(filter.class === undefined ? [] : [letters.class(filter.class)]),
      ...(filter.state === undefined ? [] : [letters.state(filter.state)]),
    ];
    if (lists.length < 2) return lists[0] ?? letters.index;
    const sizes = await Promise.all(lists.map((list) => this.redis.zcard(list)));
    return lists[sizes.indexOf(Math.min(...sizes))]!;
  }

  async counts(): Promise<DeadLetterCounts> {
    const { deadLetters: letters } = this.keys;
    const [total, h, oldest, newest, replayed] = await Promise.all([
      this.redis.zcard(letters.index),
      this.redis.hgetall(letters.counts),
      this.redis.zrange(letters.first, 0, "0", "WITHSCORES"),
      this.redis.zrevrange(letters.index, 0, 0, "WITHSCORES"),
      this.redis.zrevrange(letters.replays, 0, 0, "WITHSCORES"),
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
}
