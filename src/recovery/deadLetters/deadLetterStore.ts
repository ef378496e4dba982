/**
 * Creates, changes and drops dead letters. Every change is one script, so that the index, its counts and the dead letter
 * never disagree. A second caller finds that the dead letter has moved.
 */
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScripts } from "../../redis/scripts.ts";
import { redisMs } from "../../redis/time.ts";
import { accepted, CHECKPOINTS_KEPT } from "../../runs/batches.ts";
import type { BatchEntry, BatchResult } from "../../runs/runRecord.ts";
import {
  type DeadLetterKind,
  deadLetterIdOf,
  type Failure,
  failureFields,
  type StoredDeadLetter,
} from "./deadLetter.ts";
import { DeadLetterReads } from "./deadLetterReads.ts";

const scripts = loadScripts(import.meta.url, [
  "markBatchDead-6",
  "dropDeadLetter-5",
  "changeDeadLetter-1",
  "adoptDeadLetter-2",
  "supersedeDeadLetters-1",
]);

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

export interface Dropped {
  /** Dead letters that still refer to staged slices of the run in which it gave up. */
  slicesHeld: number;
  runClosed: boolean;
}

export class DeadLetterStore extends DeadLetterReads {
  readonly limits: DeadLetterLimits;

  constructor(redis: Redis, keys: ProviderKeys, limits: DeadLetterLimits = DEAD_LETTER_LIMITS) {
    super(redis, keys);
    this.limits = limits;
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
    const now = await redisMs(this.redis);
    const result: BatchResult = { urn: null, records: 0, error: failure.error };
    const newLetter = [
      ...["kind", entry.kind, "run", runId, "batch", entry.key],
      ...["subject", entry.subject ?? entry.key, "size", entry.size],
    ];
    const reply = (await scripts.markBatchDead.run(
      this.redis,
      [run.run, run.status, run.fences, run.results, this.keys.checkpoints, this.keys.deadLetters.index],
      [
        entry.key,
        fence ?? "",
        JSON.stringify(result),
        entry.kind,
        "",
        failure.error.code,
        new Date(now).toISOString(),
        runId,
        CHECKPOINTS_KEPT,
        // A dead letter that is replayed elsewhere was counted when it died first.
        entry.letter ? 0 : entry.size,
        entry.letter?.letter ?? deadLetterIdOf(runId, entry.key),
        now,
        this.limits.entries,
        this.limits.rawBytes,
        ...failureFields(failure),
        "|",
        ...newLetter,
      ],
    )) as [number, number, number, number];
    if (reply[0] === -3) return { outstanding: 0, letters: 0, rawBytes: 0, isNew: false };
    const outstanding = accepted(reply[0], "marking the batch dead");
    return { outstanding, letters: reply[1], rawBytes: reply[2], isNew: reply[3] === 1 };
  }

  /** The replay committed. Undefined when the dead letter does not wait for that replay (any more). */
  settle(letter: StoredDeadLetter, replay: { runId: string; key: string }): Promise<Dropped | undefined> {
    return this.#drop(letter, "settle", replay);
  }

  /** For ever. Undefined when it is gone or being replayed. Its job goes first: without a dead letter it would get a new one. */
  purge(letter: StoredDeadLetter): Promise<Dropped | undefined> {
    return this.#drop(letter, "purge", { runId: "", key: "" });
  }

  /** A verified run has covered it. Undefined when it is not as it was read. */
  cover(letter: StoredDeadLetter): Promise<Dropped | undefined> {
    return this.#drop(letter, "cover", { runId: letter.state, key: String(letter.replays) });
  }

  async #drop(
    letter: StoredDeadLetter,
    how: "settle" | "purge" | "cover",
    replay: { runId: string; key: string },
  ): Promise<Dropped | undefined> {
    const { keys } = this;
    const run = keys.run(letter.runId);
    const reply = (await scripts.dropDeadLetter.run(
      this.redis,
      [keys.deadLetters.index, keys.badRecords, keys.badRecordRaw(letter.id), run.run, run.status],
      [letter.id, how, replay.runId, replay.key, letter.batch],
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
      this.redis,
      [this.keys.deadLetters.index],
      [id, conditions.length, ...conditions.flat(), ...Object.entries(fields).flat()],
    )) as [number];
    return reply === 1 ? "changed" : reply === 0 ? "moved" : "gone";
  }

  accept(
    id: string,
    by: { actor: string; reason: string | null; at: string },
  ): Promise<"changed" | "moved" | "gone"> {
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
    kind: DeadLetterKind;
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
      this.redis,
      [this.keys.deadLetters.index, this.keys.run(letter.runId).run],
      [
        letter.id,
        letter.failure.jobId,
        letter.kind,
        letter.failedMs,
        this.limits.entries,
        this.limits.rawBytes,
        ...fields,
      ],
    )) as [number];
    return reply === 1;
  }

  /** Notes when good versions of records were fetched (µs), so that no replay of older bytes takes them back. */
  async supersede(seen: { id: string; fetchedAt: number }[]): Promise<void> {
    if (seen.length === 0) return;
    await scripts.supersedeDeadLetters.run(
      this.redis,
      [this.keys.deadLetters.index],
      seen.flatMap(({ id, fetchedAt }) => [id, fetchedAt]),
    );
  }

  /** The provider was paused for being full; another dead letter at the cap will pause it again. */
  async pausedForFull(): Promise<void> {
    await this.redis.hdel(this.keys.deadLetters.counts, "fullDue");
  }
}
