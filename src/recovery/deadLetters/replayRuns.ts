/**
 * Replays of dead letters. A replay is: take the dead letter and plan its batch again (one script), add the job from the plan,
 * remove the old failed job. Each step may be repeated by anybody; after the first one the plan says what is still to be
 * done, and the reconciler does it where the process that asked died.
 *
 * A batch whose run is open is planned there again, as its next generation. A closed run accepts nothing more: what died
 * in one is planned in the provider's replay run, a run of its own that opens when no other is open. So a replay never
 * writes beside an ordinary run, and what ordinary runs have seen is known before older bytes are written.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScripts } from "../../redis/scripts.ts";
import { type BatchEntry, toRunRecord } from "../../runs/runRecord.ts";
import type { DeadLetterState } from "./api.ts";
import { BadRecords } from "./badRecords.ts";
import { recordKey, replayKey, type StoredDeadLetter } from "./deadLetter.ts";
import { DeadLetterReads } from "./deadLetterReads.ts";

const scripts = loadScripts(import.meta.url, ["replayDeadLetter-10", "openReplayRun-6"]);

/** The open run and the replay run move seldom; who meets one that does reads again. */
const MAX_TRIES = 20;

export interface Taken {
  kind: "taken";
  letter: StoredDeadLetter;
  runId: string;
  key: string;
  generation: number;
  runState: "open" | "waiting";
}

/** planless: neither its run nor its raw bytes are there, so there is nothing to do again. */
export type Take = Taken | { kind: "refused"; why: DeadLetterState | "gone" | "planless" | "busy" };

/** What to do again. */
interface Plan {
  entry: BatchEntry;
  /** When the bytes of a bad record with an id were received last, µs; else 0. */
  metAt: number;
}

export interface Asker {
  actor: string;
  reason: string | null;
}

export class ReplayRuns {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;
  readonly #provider: string;
  readonly #source: string;
  readonly #letters: DeadLetterReads;
  readonly #badRecords: BadRecords;

  constructor(redis: Redis, keys: ProviderKeys, provider: string, source: string) {
    this.#redis = redis;
    this.#keys = keys;
    this.#provider = provider;
    this.#source = source;
    this.#letters = new DeadLetterReads(redis, keys);
    this.#badRecords = new BadRecords(redis, keys);
  }

  /** The first step. Of several callers that ask for one dead letter at once, one takes it. */
  async take(id: string, by: Asker, nowMs: number): Promise<Take> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const letter = await this.#letters.get(id);
      if (!letter) return { kind: "refused", why: "gone" };
      if (letter.state !== "dead") return { kind: "refused", why: letter.state };
      const [openId, pointer] = await this.#redis.mget(this.#keys.openRun, this.#keys.replayRun);
      const plan = await this.#planOf(letter);
      if (!plan) return { kind: "refused", why: "planless" };
      const reply = await this.#plan(letter, plan, {
        openId: openId ?? "",
        pointer: pointer ?? "",
        by,
        nowMs,
      });
      if (reply[0] === 1) {
        const [, runId, key, generation, runState] = reply as [1, string, string, number, Taken["runState"]];
        return { kind: "taken", letter, runId, key, generation: Number(generation), runState };
      }
      if (reply[0] === -1) return { kind: "refused", why: "gone" };
      if (reply[0] === 0) return { kind: "refused", why: reply[1] as DeadLetterState };
    }
    return { kind: "refused", why: "busy" };
  }

  async #planOf(letter: StoredDeadLetter): Promise<Plan | undefined> {
    if (letter.kind === "record") {
      const [facts, bytes] = await Promise.all([
        this.#badRecords.facts(letter.id),
        this.#badRecords.size(letter.id),
      ]);
      if (!facts || bytes === 0) return undefined;
      const payload = { deadLetterId: letter.id };
      const entry = { key: recordKey(letter.id), size: 1, payload, pass: 1, kind: "record" as const };
      return { entry, metAt: facts.id === null ? 0 : facts.fetchedAt };
    }
    if (letter.kind === "job") return undefined;
    const text = await this.#redis.hget(this.#keys.run(letter.runId).batches, letter.batch);
    return text === null ? undefined : { entry: JSON.parse(text) as BatchEntry, metAt: 0 };
  }

  async #plan(
    letter: StoredDeadLetter,
    { entry, metAt }: Plan,
    { openId, pointer, by, nowMs }: { openId: string; pointer: string; by: Asker; nowMs: number },
  ): Promise<[number, ...(string | number)[]]> {
    const now = new Date(nowMs).toISOString();
    const replayId = await this.#replayRunId(pointer, now);
    const open = this.#keys.run(openId || replayId);
    const replay = this.#keys.run(replayId);
    const isRecord = letter.kind === "record";
    const knownThere = isRecord ? await this.#hasMet(openId, metAt) : letter.runId === openId;
    const key = replayKey(letter.id, letter.replays + 1);
    const replayed: BatchEntry = {
      ...entry,
      key,
      pass: 1,
      letter: { letter: letter.id, runId: letter.runId, batch: letter.batch },
    };
    const newRun = {
      id: replayId,
      provider: this.#provider,
      kind: "replay",
      state: "waiting",
      mode: "incremental",
      startedAt: now,
      actor: by.actor,
      actorKind: "person",
      reason: by.reason ?? "",
      source: this.#source,
      pass: "1",
      round: "1",
    };
    return (await scripts.replayDeadLetter.run(
      this.#redis,
      [
        ...[this.#keys.deadLetters.index, this.#keys.openRun, this.#keys.replayRun],
        ...[open.run, open.batches, open.status],
        ...[replay.run, replay.batches, replay.status, replay.order],
      ],
      [
        ...[letter.id, letter.replays, openId, pointer, replayId],
        ...[knownThere ? entry.key : "", JSON.stringify(entry), letter.kind],
        ...[key, JSON.stringify(replayed)],
        ...[by.actor, now, by.reason ?? "", letter.size],
        ...Object.entries(newRun).flat(),
      ],
    )) as [number, ...(string | number)[]];
  }

  /** A run has met a record, and knows its place among those seen, when it was open as these bytes came last. */
  async #hasMet(openId: string, metAt: number): Promise<boolean> {
    if (openId === "" || metAt === 0) return false;
    const run = toRunRecord(openId, await this.#redis.hgetall(this.#keys.run(openId).run));
    return run !== undefined && metAt >= run.opened;
  }

  /** The one that takes dead letters; a new one where there is none, or the last one is about to close. */
  async #replayRunId(pointer: string, now: string): Promise<string> {
    const state = pointer === "" ? null : await this.#redis.hget(this.#keys.run(pointer).run, "state");
    if (state === "waiting" || state === "open") return pointer;
    const stamp = now.replace(/[-:]/g, "").replace(".", "");
    return `${this.#provider}-replay-${stamp}-${randomBytes(3).toString("hex")}`;
  }

  /**
   * Opens the replay run that waits, if it may open now: `opened` by this call, or `open` already.
   * `unclean`: what a closed run has seen must be noted first.
   */
  async open(
    runId: string,
    nowMs: number,
  ): Promise<"opened" | "open" | "over" | "another run is open" | "unclean"> {
    const run = this.#keys.run(runId);
    const reply = Number(
      await scripts.openReplayRun.run(
        this.#redis,
        [
          this.#keys.openRun,
          this.#keys.replayRun,
          run.run,
          this.#keys.replayRuns,
          this.#keys.unclean,
          this.#keys.meta,
        ],
        [runId, new Date(nowMs).toISOString()],
      ),
    );
    if (reply === 1) return "opened";
    if (reply === 2) return "open";
    if (reply === -1) return "another run is open";
    return reply === -2 ? "unclean" : "over";
  }
}
