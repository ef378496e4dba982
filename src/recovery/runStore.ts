/**
 * Runs, their batches and their checkpoints in Redis. Every change is one script under the run's fences, so that a
 * superseded attempt, a closed run or a process that slept changes nothing.
 *
 * What a crash leaves:
 *  - before a checkpoint: the batch is still planned; its next attempt repeats it, and the store's compare makes the
 *    repetition free of effects;
 *  - after a checkpoint, before the jobs of the batches it discovered were added: they are planned without a job; the
 *    reconciler adds it;
 *  - after the last checkpoint, before the finish job was added: the reconciler adds it;
 *  - in the finish step: the run is `closing` with its verdict kept; the next attempt goes on with that verdict.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { BatchFacts, PlannedBatch, RunMode } from "../providers/contract.ts";
import type { Attempt } from "../records/contract.ts";
import type { ProviderKeys, RunKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";
import {
  type BatchEntry,
  type BatchResult,
  type BatchStatus,
  type ProviderMeta,
  type RunRecord,
  type StoredError,
  toRunRecord,
} from "./runRecord.ts";

export type {
  BatchEntry,
  BatchResult,
  BatchStatus,
  ProviderMeta,
  RunRecord,
  StoredError,
} from "./runRecord.ts";

const script = (name: string) => loadScript(new URL(`./lua/${name}.lua`, import.meta.url));
const scripts = {
  openRun: script("openRun-7"),
  beginAttempt: script("beginAttempt-3"),
  planMore: script("planMore-6"),
  checkpoint: script("checkpoint-7"),
  buryBatch: script("buryBatch-5"),
  extendRun: script("extendRun-5"),
  closeDoor: script("closeDoor-2"),
  setRunFields: script("setRunFields-2"),
  closeRun: script("closeRun-6"),
  raiseGeneration: script("raiseGeneration-2"),
};

/** Checkpoints kept per provider for `uee checkpoints`. What a run still needs lives in its own keys. */
const CHECKPOINTS_KEPT = 10_000;

export type Begun =
  | { kind: "begun"; attempt: Attempt }
  | { kind: "closed" | "committed" | "dead" | "cancelled" | "unplanned" };

export type Expected = { key: string; fence: number };

const triples = (batches: BatchEntry[]): string[] =>
  batches.flatMap((b) => [b.key, JSON.stringify(b), b.kind === "batch" ? "1" : "0"]);

export const toEntries = (batches: PlannedBatch<unknown>[], pass: number): BatchEntry[] =>
  batches.map((b) => ({ key: b.key, size: b.size, payload: b.payload, pass, kind: "batch" }));

/** Turns a script's refusal into the error that the batch's outcome understands. */
function accepted(reply: number, what: string): number {
  if (reply === -1) throw new UeeError("STOR_RUN_CLOSED", `The run is closed; ${what} refused.`);
  if (reply === -2) throw new UeeError("STOR_FENCED", `A newer attempt has the batch; ${what} refused.`);
  if (reply < 0) throw new UeeError("SYS_INTERNAL", `${what} refused with ${reply}`);
  return reply;
}

export class RunStore {
  readonly keys: ProviderKeys;
  readonly #redis: Redis;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.keys = keys;
  }

  #run(runId: string): RunKeys {
    return this.keys.run(runId);
  }

  /** Redis `TIME` in ms. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.#redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async meta(): Promise<ProviderMeta> {
    const meta = await this.#redis.hgetall(this.keys.meta);
    return {
      watermark: meta.watermark ?? null,
      verifiedAt: meta.verifiedAt ?? null,
      changeKey: meta.changeKey ?? null,
      lastRunId: meta.lastRunId ?? null,
    };
  }

  openRunId(): Promise<string | null> {
    return this.#redis.get(this.keys.openRun);
  }

  /**
   * Opens a run with its first batches unless one is open. `plan` is asked under the mode that results: incremental on a
   * store never verified is full.
   */
  async open(request: {
    provider: string;
    mode: RunMode;
    /** Snapshots may be incremental without a watermark window; only a verified store has a change key. */
    source: string;
    actor: string;
    allowShrink: boolean;
    plan(input: { mode: RunMode; watermark: string | null; startedAt: string }): PlannedBatch<unknown>[];
  }): Promise<{ runId: string; opened: boolean }> {
    for (;;) {
      const meta = await this.meta();
      const ms = await this.now();
      const startedAt = new Date(ms).toISOString();
      const mode = request.mode === "incremental" && meta.verifiedAt === null ? "full" : request.mode;
      const stamp = startedAt.replace(/[-:]/g, "").replace(".", "");
      const runId = `${request.provider}-${stamp}-${randomBytes(3).toString("hex")}`;
      const batches = toEntries(request.plan({ mode, watermark: meta.watermark, startedAt }), 1);
      const fields = [
        ["id", runId],
        ["provider", request.provider],
        ["state", "open"],
        ["mode", mode],
        ["startedAt", startedAt],
        ["actor", request.actor],
        ["allowShrink", request.allowShrink ? "1" : "0"],
        ["watermarkBefore", meta.watermark ?? ""],
        ["source", request.source],
        ["pass", "1"],
        ["round", "1"],
      ].flat() as string[];
      const run = this.#run(runId);
      const reply = (await scripts.openRun.run(
        this.#redis,
        [this.keys.openRun, this.keys.meta, this.keys.runs, run.run, run.batches, run.status, run.order],
        [runId, meta.watermark ?? "", ms, fields.length, ...fields, ...triples(batches)],
      )) as [number, string?];
      if (reply[0] === 1) return { runId, opened: true };
      if (reply[0] === 0) return { runId: reply[1] as string, opened: false };
    }
  }

  async read(runId: string): Promise<RunRecord | undefined> {
    return toRunRecord(runId, await this.#redis.hgetall(this.#run(runId).run));
  }

  /** Takes the next fence of a batch (or of the finish step) unless there is nothing left to do for it. */
  async begin(runId: string, batchKey: string, step: "batch" | "finish"): Promise<Begun> {
    const run = this.#run(runId);
    const reply = (await scripts.beginAttempt.run(
      this.#redis,
      [run.run, run.status, run.fences],
      [batchKey, step],
    )) as [number | string, string, string];
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
    return { kind: "begun", attempt };
  }

  /** Plans the jobs of bad records before the checkpoint of the batch they came in. */
  async planRecords(attempt: Attempt, batches: BatchEntry[], nameless: string[]): Promise<void> {
    const run = this.#run(attempt.runId);
    const reply = await scripts.planMore.run(
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
    extra: {
      newest: { ms: number; text: string } | null;
      more: BatchEntry[];
      changeKey: string | null;
    },
  ): Promise<{ outstanding: number }> {
    const run = this.#run(attempt.runId);
    const reply = (await scripts.checkpoint.run(
      this.#redis,
      [run.run, run.batches, run.status, run.order, run.fences, run.results, this.keys.checkpoints],
      [
        attempt.batchKey,
        attempt.fence,
        attempt.pass,
        JSON.stringify(result),
        result.urn ?? "",
        result.records,
        extra.newest?.ms ?? "",
        extra.newest?.text ?? "",
        new Date(await this.now()).toISOString(),
        attempt.runId,
        extra.changeKey ?? "",
        CHECKPOINTS_KEPT,
        result.facts?.group ?? "",
        result.facts?.total ?? 0,
        ...triples(extra.more),
      ],
    )) as [number, number];
    return { outstanding: accepted(reply[0], "the checkpoint") };
  }

  /** Marks a batch dead; without an attempt when the reconciler found its job in the failed set. */
  async bury(
    runId: string,
    entry: Pick<BatchEntry, "key" | "kind" | "size">,
    fence: number | null,
    error: StoredError,
    urn: string | null,
  ): Promise<number> {
    const run = this.#run(runId);
    const result: BatchResult = { urn, records: 0, error };
    const reply = (await scripts.buryBatch.run(
      this.#redis,
      [run.run, run.status, run.fences, run.results, this.keys.checkpoints],
      [
        entry.key,
        fence ?? "",
        JSON.stringify(result),
        entry.kind,
        urn ?? "",
        error.code,
        new Date(await this.now()).toISOString(),
        runId,
        CHECKPOINTS_KEPT,
        entry.size,
      ],
    )) as [number];
    if (reply[0] === -3) return 0;
    return accepted(reply[0], "the burial");
  }

  async extend(
    attempt: Attempt,
    pass: number,
    reason: string,
    batches: PlannedBatch<unknown>[],
  ): Promise<BatchEntry[]> {
    const run = this.#run(attempt.runId);
    const entries = toEntries(batches, pass);
    const reply = await scripts.extendRun.run(
      this.#redis,
      [run.run, run.batches, run.status, run.order, run.fences],
      [attempt.batchKey, attempt.fence, pass, reason, ...triples(entries)],
    );
    accepted(Number(reply), "the extension");
    return entries;
  }

  /** False when batches are outstanding after all. */
  async closeDoor(attempt: Attempt, verdict: unknown): Promise<boolean> {
    const run = this.#run(attempt.runId);
    const reply = Number(
      await scripts.closeDoor.run(
        this.#redis,
        [run.run, run.fences],
        [attempt.batchKey, attempt.fence, JSON.stringify(verdict)],
      ),
    );
    if (reply === -3) return false;
    accepted(reply, "closing the door");
    return true;
  }

  async setFields(attempt: Attempt, fields: Record<string, string>): Promise<void> {
    const run = this.#run(attempt.runId);
    const reply = await scripts.setRunFields.run(
      this.#redis,
      [run.run, run.fences],
      [attempt.batchKey, attempt.fence, ...Object.entries(fields).flat()],
    );
    accepted(Number(reply), "the note");
  }

  /** A person resumes: errors are counted anew from here. */
  async resumed(runId: string, walkAgain: boolean): Promise<void> {
    const run = await this.read(runId);
    if (!run || run.state === "closed") return;
    const errors = run.dead + run.deadSize;
    const processed = run.created + run.updated + run.unchanged + errors;
    await this.#redis.hset(this.#run(runId).run, {
      errorBaseErrors: errors,
      errorBaseProcessed: processed,
      ...(walkAgain ? { walkAgain: "1" } : {}),
    });
  }

  /** A person stops the run: what is planned is cancelled, what is under way is refused from now on. */
  async stop(runId: string, error: StoredError): Promise<void> {
    await this.close({ runId, batchKey: "", fence: 0, pass: 0 }, "stopped", error, {});
  }

  /** `fence` 0: a person's word, which needs none. */
  async close(
    attempt: Attempt,
    result: "complete" | "incomplete" | "failed" | "stopped",
    error: StoredError | null,
    meta: Record<string, string>,
  ): Promise<void> {
    const run = this.#run(attempt.runId);
    const fields = Object.entries(meta).flat();
    const reply = await scripts.closeRun.run(
      this.#redis,
      [run.run, run.fences, this.keys.meta, this.keys.openRun, run.status, run.results],
      [
        attempt.batchKey,
        attempt.fence,
        attempt.runId,
        result,
        error ? JSON.stringify(error) : "",
        new Date(await this.now()).toISOString(),
        fields.length,
        ...fields,
      ],
    );
    accepted(Number(reply), "closing the run");
  }

  countRequest(runId: string): Promise<unknown> {
    return this.#redis.hincrby(this.#run(runId).run, "requests", 1);
  }

  /** Says why the run waits; cleared by the next checkpoint. Informative: no fence needed. */
  async noteWaiting(runId: string, reason: string, untilMs: number): Promise<void> {
    const key = this.#run(runId).run;
    await this.#redis.hset(key, "waitingReason", reason, "waitingUntil", new Date(untilMs).toISOString());
  }

  async nextFinishGeneration(runId: string): Promise<number> {
    return this.#redis.hincrby(this.#run(runId).run, "finishGeneration", 1);
  }

  async statuses(runId: string): Promise<Map<string, BatchStatus>> {
    const raw = await this.#redis.hgetall(this.#run(runId).status);
    return new Map(
      Object.entries(raw).map(([key, text]) => [
        key,
        { letter: text[0] as BatchStatus["letter"], generation: Number(text.slice(1)), raw: text },
      ]),
    );
  }

  async entries(runId: string, keys: string[]): Promise<BatchEntry[]> {
    if (keys.length === 0) return [];
    const raw = await this.#redis.hmget(this.#run(runId).batches, ...keys);
    return raw.filter((text): text is string => text !== null).map((text) => JSON.parse(text) as BatchEntry);
  }

  /** The facts of a pass's committed batches in plan order. */
  async facts(runId: string, pass: number): Promise<{ key: string; facts: BatchFacts }[]> {
    const run = this.#run(runId);
    const [order, results] = await Promise.all([
      this.#redis.hgetall(run.order),
      this.#redis.hgetall(run.results),
    ]);
    return Object.entries(order)
      .map(([place, key]) => ({ place: place.split(":").map(Number), key }))
      .filter(({ place }) => place[0] === pass)
      .sort((a, b) => a.place[1]! - b.place[1]!)
      .flatMap(({ key }) => {
        const facts = results[key] ? (JSON.parse(results[key]) as BatchResult).facts : undefined;
        return facts ? [{ key, facts }] : [];
      });
  }

  async result(runId: string, key: string): Promise<BatchResult | undefined> {
    const raw = await this.#redis.hget(this.#run(runId).results, key);
    return raw ? (JSON.parse(raw) as BatchResult) : undefined;
  }

  async raiseGeneration(runId: string, key: string, status: BatchStatus): Promise<number> {
    const run = this.#run(runId);
    return Number(await scripts.raiseGeneration.run(this.#redis, [run.run, run.status], [key, status.raw]));
  }

  /** A closed run needs neither its marks nor its fences: without them every late commit is refused as well. */
  async dropBookkeeping(runId: string): Promise<void> {
    const run = this.#run(runId);
    await this.#redis.unlink(run.seen, run.regressed, run.fences, run.nameless);
  }

  /** How long ago the run closed, ms; undefined while it is open. */
  async closedForMs(runId: string): Promise<number | undefined> {
    const [state, endedAt] = await this.#redis.hmget(this.#run(runId).run, "state", "endedAt");
    return state === "closed" && endedAt ? (await this.now()) - Date.parse(endedAt) : undefined;
  }

  async hasBookkeeping(runId: string): Promise<boolean> {
    const run = this.#run(runId);
    return (await this.#redis.exists(run.seen, run.regressed, run.fences, run.nameless)) > 0;
  }

  /** Forgets closed runs beyond the newest `keep`, but none that a dead letter refers to. */
  async trimHistory(keep: number): Promise<void> {
    const old = await this.#redis.zrange(this.keys.runs, 0, `-${keep + 1}`);
    for (const runId of old) {
      const statuses = [...(await this.statuses(runId)).values()];
      const state = await this.#redis.hget(this.#run(runId).run, "state");
      if (state !== "closed" || statuses.some(({ letter }) => letter === "d")) continue;
      const run = this.#run(runId);
      await this.#redis.unlink(run.run, run.batches, run.status, run.results, run.order);
      await this.#redis.zrem(this.keys.runs, runId);
    }
  }

  /** Checkpoints older than `before` (an exclusive stream id, or `+`), newest first. */
  async checkpointsBefore(
    before: string,
    count: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]> {
    const entries = await this.#redis.xrevrange(this.keys.checkpoints, before, "-", "COUNT", count);
    return entries.map(([id, flat]) => {
      const fields: Record<string, string> = {};
      for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
      return { id, fields };
    });
  }

  /** Newest first. */
  recentRunIds(limit: number): Promise<string[]> {
    return this.#redis.zrevrange(this.keys.runs, 0, limit - 1);
  }
}
