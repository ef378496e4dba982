/**
 * Bad records before they are dead letters: their raw bytes in a key that never expires, under an id made from provider,
 * record and content. The same bad record met again in a later run is the same dead letter, not a second one.
 */

import type { Redis } from "ioredis";
import { sha256 } from "../../core/sha256.ts";
import type { Attempt } from "../../records/contract.ts";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScript } from "../../redis/scripts.ts";
import { accepted } from "../../runs/batches.ts";

const forgetUnmetScript = loadScript(new URL("./lua/forgetUnmet-4.lua", import.meta.url));

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
  /**
   * The run in which its job was planned. Until then every attempt plans it again, so that a death in between loses nothing; and
   * so does a later run that finds no dead letter, since the jobs of a run that was stopped or failed are cancelled.
   */
  plannedIn?: string;
}

export const deadLetterId = (provider: string, id: string | undefined, raw: string): string =>
  `r-${sha256(`${provider}\n${id ?? ""}\n${raw}`).slice(0, 24)}`;

/** The mark of a bad record (see records/lua/seen.lua) that a pass before `pass` met last. */
const isUnmet = (mark: string, pass: number): boolean => {
  const [, met] = /^[da](\d+):/.exec(mark) ?? [];
  return met !== undefined && Number(met) < pass;
};

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
    const acceptedIds = new Set<string>();
    for (const record of bad) {
      const id = record.deadLetterId;
      const [known, state] = await Promise.all([
        this.facts(id),
        this.#redis.hget(this.#keys.deadLetters.one(id), "state"),
      ]);
      if (state === "accepted") acceptedIds.add(id);
      else if (state === null && known?.plannedIn !== run.runId) fresh.add(id);
      const { code, message } = record;
      const facts: BadRecordFacts = {
        ...{ id: record.id ?? null, code, message, runId: run.runId, batch: run.batch },
        fetchedAt: Math.max(known?.fetchedAt ?? 0, record.fetchedAt),
        firstSeenAt: known?.firstSeenAt ?? run.now,
        lastSeenAt: run.now,
        seen: (known?.seen ?? 0) + 1,
        ...(known?.plannedIn === undefined ? {} : { plannedIn: known.plannedIn }),
      };
      await this.#redis.set(this.#keys.badRecordRaw(id), record.raw);
      await this.#redis.hset(this.#keys.badRecords, id, JSON.stringify(facts));
    }
    return { fresh, accepted: acceptedIds };
  }

  /** It is no bad record any more, or will be met again: its bytes go. For those that are no dead letter. */
  async forget(id: string): Promise<void> {
    await this.#redis.hdel(this.#keys.badRecords, id);
    await this.#redis.unlink(this.#keys.badRecordRaw(id));
  }

  /**
   * Takes back the bad records that an earlier pass met and the last one did not: the upstream was mended, or no longer has
   * them. In the name of the finish step.
   */
  async forgetUnmet(attempt: Attempt): Promise<number> {
    const run = this.#keys.run(attempt.runId);
    let cursor = "0";
    let taken = 0;
    do {
      const [next, flat] = await this.#redis.hscan(run.seen, cursor, "COUNT", 1_000);
      cursor = next;
      const unmet = flat.filter((_, i) => i % 2 === 0 && isUnmet(flat[i + 1] ?? "", attempt.pass));
      if (unmet.length === 0) continue;
      const reply = await forgetUnmetScript.run(
        this.#redis,
        [run.run, run.fences, run.seen, run.nameless],
        [attempt.batchKey, attempt.fence, attempt.pass, ...unmet],
      );
      taken += accepted(Number(reply), "taking bad records back");
    } while (cursor !== "0");
    return taken;
  }

  /** Their jobs are planned and added. */
  async planned(runId: string, ids: string[]): Promise<void> {
    for (const { deadLetterId, ...facts } of await this.manyFacts(ids)) {
      const planned = JSON.stringify({ ...facts, plannedIn: runId });
      await this.#redis.hset(this.#keys.badRecords, deadLetterId, planned);
    }
  }

  async facts(id: string): Promise<BadRecordFacts | undefined> {
    return (await this.manyFacts([id]))[0];
  }

  /** What is kept of the bad record that a batch stands for; nothing for any other batch. */
  async of({ kind, payload }: { kind: string; payload: unknown }) {
    const { deadLetterId: id } = (payload ?? {}) as { deadLetterId?: string };
    if (kind !== "record" || id === undefined) return { facts: undefined, rawBytes: 0 };
    const [facts, rawBytes] = await Promise.all([this.facts(id), this.size(id)]);
    return { facts, rawBytes };
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
