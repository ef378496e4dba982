/**
 * Bad records before they are dead letters: their raw bytes in a key that never expires, under an id made from provider,
 * record and content. The same bad record met again in a later run is the same dead letter, not a second one.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../redis/keys.ts";

export interface BadRecord {
  deadLetterId: string;
  /** Undefined when the record has no id that could be told. */
  id: string | undefined;
  raw: string;
  code: string;
  message: string;
  fetchedAt: number;
}

/** What the index keeps of a bad record beside its raw bytes. */
export interface BadRecordFacts {
  id: string | null;
  code: string;
  message: string;
  /** µs at which these bytes were received last. */
  fetchedAt: number;
  runId: string;
  batch: string;
  firstSeenAt: string;
  lastSeenAt: string;
  seen: number;
  /** Its job was planned. Until then every attempt plans it anew: killed in between, nothing is lost. */
  planned: boolean;
}

export const deadLetterId = (provider: string, id: string | undefined, raw: string): string =>
  `r-${createHash("sha256")
    .update(`${provider}\n${id ?? ""}\n${raw}`)
    .digest("hex")
    .slice(0, 24)}`;

export class BadRecords {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Keeps the raw bytes and the facts. Returns the ids of those that have no job yet, and of those that a person has accepted
   * as they are.
   */
  async keep(
    bad: BadRecord[],
    run: { runId: string; batch: string; now: string },
  ): Promise<{ fresh: Set<string>; accepted: Set<string> }> {
    const fresh = new Set<string>();
    const accepted = new Set<string>();
    for (const record of bad) {
      const id = record.deadLetterId;
      const [known, state] = await Promise.all([
        this.facts(id),
        this.#redis.hget(this.#keys.letters.one(id), "state"),
      ]);
      if (state === "accepted") accepted.add(id);
      else if (!known?.planned) fresh.add(id);
      const facts: BadRecordFacts = {
        id: record.id ?? null,
        code: record.code,
        message: record.message,
        fetchedAt: Math.max(known?.fetchedAt ?? 0, record.fetchedAt),
        runId: run.runId,
        batch: run.batch,
        firstSeenAt: known?.firstSeenAt ?? run.now,
        lastSeenAt: run.now,
        seen: (known?.seen ?? 0) + 1,
        planned: known?.planned ?? false,
      };
      await this.#redis.set(this.#keys.badRecordRaw(id), record.raw);
      await this.#redis.hset(this.#keys.badRecords, id, JSON.stringify(facts));
    }
    return { fresh, accepted };
  }

  /** It is no bad record any more, or will be met again: its bytes go. For those that are no dead letter. */
  async forget(id: string): Promise<void> {
    await this.#redis.hdel(this.#keys.badRecords, id);
    await this.#redis.unlink(this.#keys.badRecordRaw(id));
  }

  /** Their jobs are planned and added. */
  async planned(ids: string[]): Promise<void> {
    for (const id of ids) {
      const facts = await this.facts(id);
      if (facts)
        await this.#redis.hset(this.#keys.badRecords, id, JSON.stringify({ ...facts, planned: true }));
    }
  }

  async facts(id: string): Promise<BadRecordFacts | undefined> {
    const text = await this.#redis.hget(this.#keys.badRecords, id);
    return text ? (JSON.parse(text) as BadRecordFacts) : undefined;
  }

  async manyFacts(ids: readonly string[]): Promise<(BadRecordFacts & { deadLetterId: string })[]> {
    if (ids.length === 0) return [];
    const texts = await this.#redis.hmget(this.#keys.badRecords, ...ids);
    return ids.flatMap((deadLetterId, i) => {
      const text = texts[i];
      return text ? [{ ...(JSON.parse(text) as BadRecordFacts), deadLetterId }] : [];
    });
  }

  size(id: string): Promise<number> {
    return this.#redis.strlen(this.#keys.badRecordRaw(id));
  }

  raw(id: string): Promise<Buffer | null> {
    return this.#redis.getBuffer(this.#keys.badRecordRaw(id));
  }
}
