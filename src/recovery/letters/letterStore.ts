/**
 * What happens to dead letters besides their birth (runBatches.ts) and their replay (replay.ts). Every change is one script,
 * so that the index, its counts and the letter never disagree, and whoever comes second finds the letter moved.
 */
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScript } from "../../redis/scripts.ts";
import { LETTER_LIMITS, type LetterLimits } from "../runReads.ts";
import { type Failure, failureFields, type Letter, type LetterKind } from "./letter.ts";
import { LetterReads } from "./letterReads.ts";

const script = (name: string) => loadScript(new URL(`../lua/${name}.lua`, import.meta.url));
const scripts = {
  drop: script("dropLetter-5"),
  change: script("changeLetter-1"),
  adopt: script("adoptLetter-2"),
  supersede: script("supersedeLetters-1"),
};

export interface Dropped {
  /** Letters that still refer to staged slices of the run in which it gave up. */
  slicesHeld: number;
  runClosed: boolean;
}

export class LetterStore extends LetterReads {
  readonly limits: LetterLimits;

  constructor(redis: Redis, keys: ProviderKeys, limits: LetterLimits = LETTER_LIMITS) {
    super(redis, keys);
    this.limits = limits;
  }

  /** The replay committed. Undefined when the letter does not wait for that replay (any more). */
  settle(letter: Letter, replay: { runId: string; key: string }): Promise<Dropped | undefined> {
    return this.#drop(letter, "settle", replay);
  }

  /** For ever. Undefined when it is gone or being replayed. Its job goes first: without a letter it would get a new one. */
  purge(letter: Letter): Promise<Dropped | undefined> {
    return this.#drop(letter, "purge", { runId: "", key: "" });
  }

  /** A verified run has covered it. Undefined when it is not as it was read. */
  cover(letter: Letter): Promise<Dropped | undefined> {
    return this.#drop(letter, "cover", { runId: letter.state, key: String(letter.replays) });
  }

  async #drop(
    letter: Letter,
    how: "settle" | "purge" | "cover",
    replay: { runId: string; key: string },
  ): Promise<Dropped | undefined> {
    const { keys } = this;
    const run = keys.run(letter.runId);
    const reply = (await scripts.drop.run(
      this.redis,
      [keys.letters.index, keys.badRecords, keys.badRecordRaw(letter.id), run.run, run.status],
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
    const [reply] = (await scripts.change.run(
      this.redis,
      [this.keys.letters.index],
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

  /** The replay will not happen: its run was stopped. The letter is as it was, but that it was replayed once more. */
  async giveBack(letter: Letter): Promise<boolean> {
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

  /** A failed job without a letter gets one. False when it has one. */
  async adopt(letter: {
    id: string;
    kind: LetterKind;
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
    const [reply] = (await scripts.adopt.run(
      this.redis,
      [this.keys.letters.index, this.keys.run(letter.runId).run],
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
    await scripts.supersede.run(
      this.redis,
      [this.keys.letters.index],
      seen.flatMap(({ id, fetchedAt }) => [id, fetchedAt]),
    );
  }

  /** The provider was paused for being full; another letter at the cap will pause it again. */
  async pausedForFull(): Promise<void> {
    await this.redis.hdel(this.keys.letters.counts, "fullDue");
  }
}
