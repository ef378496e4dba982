/**
 * What happens to the batches of a run. Every change is one script under the run's fences, so that a superseded attempt, a
 * closed run or a process that slept changes nothing.
 */
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { PlannedBatch } from "../providers/contract.ts";
import type { Attempt } from "../records/contract.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../redis/newestFirst.ts";
import { loadScripts } from "../redis/scripts.ts";
import { redisMs } from "../redis/time.ts";
import { processKey } from "./processIdentity.ts";
import {
  type BatchEntry,
  type BatchResult,
  type BatchStatus,
  MOST_RETRIES,
  type RetryNote,
  type RunRecord,
} from "./runRecord.ts";

const scripts = loadScripts(import.meta.url, [
  "beginAttempt-4",
  "planRecords-6",
  "checkpoint-7",
  "extendRun-5",
  "raiseGeneration-2",
  "noteRetry-1",
]);

/** Checkpoints kept per provider for `uee checkpoints`. What a run still needs lives in its own keys. */
export const CHECKPOINTS_KEPT = 10_000;

/** Characters of an error's message that are kept of a batch that is tried again. */
const MESSAGE_KEPT = 500;

export type Begun =
  | {
      kind: "begun";
      attempt: Attempt;
      /** The mark of another process whose attempt began and did not end; null: there is none. */
      left: string | null;
      /** Another process left its mark, or died before while it had this batch at work: no work may start before that is examined. */
      suspected: boolean;
    }
  | { kind: "closed" | "committed" | "dead" | "cancelled" | "unplanned" };

/** What one checkpoint may plan, whatever an upstream's answer says. NVD's largest listing needs 5,000 batches. */
const PLAN_BATCHES = 10_000;
const PLAN_BYTES = 16 * 1024 * 1024;

/**
 * Key, JSON and whether it takes a place in the plan's order, of each batch: what the scripts that plan expect. Throws
 * PROV_PLAN_TOO_LARGE.
 */
export function triples(batches: BatchEntry[]): string[] {
  // @safeguard plan-cap-batches
  if (batches.length > PLAN_BATCHES) {
    throw new UeeError(
      "PROV_PLAN_TOO_LARGE",
      `${batches.length} batches at once; at most ${PLAN_BATCHES} are planned.`,
    );
  }
  let bytes = 0;
  return batches.flatMap((b) => {
    const json = JSON.stringify(b);
    bytes += json.length;
    if (bytes > PLAN_BYTES) {
      throw new UeeError("PROV_PLAN_TOO_LARGE", `The plan exceeds ${PLAN_BYTES} bytes.`);
    }
    return [b.key, json, b.kind === "batch" ? "1" : "0"];
  });
}

export const toEntries = (batches: PlannedBatch<unknown>[], pass: number): BatchEntry[] =>
  batches.map((b) => ({ key: b.key, size: b.size, payload: b.payload, pass, kind: "batch" }));

/** Turns a script's refusal into the error that the batch's outcome understands. */
export function accepted(reply: number, what: string): number {
  if (reply === -1) throw new UeeError("STOR_RUN_CLOSED", `The run is closed; ${what} refused.`);
  if (reply === -2) throw new UeeError("STOR_FENCED", `A newer attempt has the batch; ${what} refused.`);
  if (reply === -4)
    throw new UeeError("PROV_PLAN_TOO_LARGE", `The run has too many batches; ${what} refused.`);
  if (reply < 0) throw new UeeError("SYS_INTERNAL", `${what} refused with ${reply}`);
  return reply;
}

export class Batches {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Takes the next fence of a batch (or of the finish step) unless there is nothing left to do for it. */
  async begin(runId: string, batchKey: string, step: "batch" | "finish"): Promise<Begun> {
    const run = this.#keys.run(runId);
    const reply = (await scripts.beginAttempt.run(
      this.#redis,
      [run.run, run.status, run.fences, this.#keys.meta],
      [batchKey, step, processKey()],
    )) as [number | string, string, string, string, number];
    const refusals = {
      [-1]: "closed",
      [-2]: "committed",
      [-3]: "dead",
      [-4]: "cancelled",
      [-5]: "unplanned",
    };
    const kind = refusals[Number(reply[0]) as keyof typeof refusals];
    if (kind !== undefined) return { kind } as Begun;
    const attempt = { runId, batchKey, fence: Number(reply[0]), pass: Number(reply[1]) };
    const left = reply[3] || null;
    return { kind: "begun", attempt, left, suspected: left !== null || Number(reply[4]) === 1 };
  }

  /**
   * Plans the jobs of bad records before the checkpoint of the batch they came in. `nameless`: marks of those without an id,
   * `a:` before that of one that a person has accepted.
   */
  async planRecords(attempt: Attempt, batches: BatchEntry[], nameless: string[]): Promise<void> {
    const run = this.#keys.run(attempt.runId);
    const reply = await scripts.planRecords.run(
      this.#redis,
      [run.run, run.batches, run.status, run.order, run.fences, run.nameless],
      [attempt.batchKey, attempt.fence, attempt.pass, nameless.length, ...nameless, ...triples(batches)],
    );
    accepted(Number(reply), "planning bad records");
  }

  /** Commits the checkpoint of a batch together with the batches it discovered. Returns what is outstanding. */
  async checkpoint(
    attempt: Attempt,
    result: BatchResult,
    {
      newest = null,
      more = [],
      changeKey = null,
      fetchedAt = 0,
    }: {
      newest?: { ms: number; text: string } | null;
      /** Batches that this one discovered. */
      more?: BatchEntry[];
      changeKey?: string | null;
      /** µs; 0 when the upstream was not asked. */
      fetchedAt?: number;
    } = {},
  ): Promise<{ outstanding: number }> {
    const run = this.#keys.run(attempt.runId);
    const reply = (await scripts.checkpoint.run(
      this.#redis,
      [run.run, run.batches, run.status, run.order, run.fences, run.results, this.#keys.checkpoints],
      [
        ...[attempt.batchKey, attempt.fence, attempt.pass],
        ...[JSON.stringify(result), result.urn ?? "", result.records, newest?.ms ?? "", newest?.text ?? ""],
        ...[new Date(await redisMs(this.#redis)).toISOString(), attempt.runId, changeKey ?? ""],
        ...[CHECKPOINTS_KEPT, result.facts?.group ?? "", result.facts?.total ?? 0, fetchedAt],
        ...triples(more),
      ],
    )) as [number, number];
    return { outstanding: accepted(reply[0], "the checkpoint") };
  }

  async extend(
    attempt: Attempt,
    pass: number,
    reason: string,
    batches: PlannedBatch<unknown>[],
  ): Promise<BatchEntry[]> {
    const run = this.#keys.run(attempt.runId);
    const entries = toEntries(batches, pass);
    const reply = await scripts.extendRun.run(
      this.#redis,
      [run.run, run.batches, run.status, run.order, run.fences],
      [attempt.batchKey, attempt.fence, pass, reason, ...triples(entries)],
    );
    accepted(Number(reply), "the extension");
    return entries;
  }

  /** Notes for the run's status why a batch is tried again and when; cleared when it is settled. Informative: no fence needed. */
  async noteRetry(runId: string, note: Omit<RetryNote, "nextAt"> & { delayMs: number }): Promise<void> {
    const { batch, code, message, attempt, attempts, delayMs } = note;
    await scripts.noteRetry.run(
      this.#redis,
      [this.#keys.run(runId).run],
      [batch, code, message.slice(0, MESSAGE_KEPT), attempt, attempts, delayMs, MOST_RETRIES],
    );
  }

  async raiseGeneration(runId: string, key: string, status: BatchStatus): Promise<number> {
    const run = this.#keys.run(runId);
    return Number(await scripts.raiseGeneration.run(this.#redis, [run.run, run.status], [key, status.raw]));
  }

  async statuses(runId: string): Promise<Map<string, BatchStatus>> {
    const raw = await this.#redis.hgetall(this.#keys.run(runId).status);
    return new Map(
      Object.entries(raw).map(([key, text]) => [
        key,
        { code: text[0] as BatchStatus["code"], generation: Number(text.slice(1)), raw: text },
      ]),
    );
  }

  /** State of a run and code of one of its batches; null where there is none. */
  async stateOf(
    runId: string,
    batch: string,
  ): Promise<{ runState: RunRecord["state"] | null; status: BatchStatus["code"] | null }> {
    const run = this.#keys.run(runId);
    const [runState, status] = await Promise.all([
      this.#redis.hget(run.run, "state"),
      this.#redis.hget(run.status, batch),
    ]);
    return {
      runState: runState as RunRecord["state"] | null,
      status: (status?.[0] ?? null) as BatchStatus["code"] | null,
    };
  }

  async entries(runId: string, keys: string[]): Promise<BatchEntry[]> {
    if (keys.length === 0) return [];
    const raw = await this.#redis.hmget(this.#keys.run(runId).batches, ...keys);
    return raw.filter((text): text is string => text !== null).map((text) => JSON.parse(text) as BatchEntry);
  }

  async result(runId: string, key: string): Promise<BatchResult | undefined> {
    const raw = await this.#redis.hget(this.#keys.run(runId).results, key);
    return raw ? (JSON.parse(raw) as BatchResult) : undefined;
  }

  /** The results of a pass's batches in plan order, of those that have one. */
  async results(runId: string, pass: number): Promise<{ key: string; result: BatchResult }[]> {
    const run = this.#keys.run(runId);
    const [order, results] = await Promise.all([
      this.#redis.hgetall(run.order),
      this.#redis.hgetall(run.results),
    ]);
    return Object.entries(order)
      .map(([place, key]) => ({ place: place.split(":").map(Number), key }))
      .filter(({ place }) => place[0] === pass)
      .sort((a, b) => a.place[1]! - b.place[1]!)
      .flatMap(({ key }) => {
        const text = results[key];
        return text === undefined ? [] : [{ key, result: JSON.parse(text) as BatchResult }];
      });
  }

  /** The provider's checkpoints, newest first. */
  checkpoints(page: PageRequest): Promise<StreamPage<Record<string, string>>> {
    return readNewestFirst(this.#redis, this.#keys.checkpoints, page, (_id, fields) => fields);
  }
}
