/**
 * Runs, their batches and their checkpoints in Redis. Every change is one script under the run's fences, so that a
 * superseded attempt, a closed run or a process that slept changes nothing. docs/architecture.md says what a crash leaves.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { Actor } from "../core/actor.ts";
import type { PlannedBatch, RunMode } from "../providers/contract.ts";
import type { Attempt } from "../records/contract.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import { loadScripts } from "../redis/scripts.ts";
import { redisMs, tick } from "../redis/time.ts";
import { accepted, toEntries, triples } from "./batches.ts";
import type { PreparedRun } from "./bundleBatches.ts";
import {
  type ProviderMeta,
  type RunRecord,
  type StoredError,
  toRunRecord,
  usableWatermark,
} from "./runRecord.ts";

const scripts = loadScripts(import.meta.url, [
  "openRun-7",
  "beginClosing-2",
  "setRunFields-2",
  "closeRun-8",
  "countRequest-2",
  "forgiveErrors-1",
]);

/** `cve-20260131T120000000Z-a1b2c3` */
export function newRunId(provider: string, startedAt: string): string {
  const stamp = startedAt.replace(/[-:]/g, "").replace(".", "");
  return `${provider}-${stamp}-${randomBytes(3).toString("hex")}`;
}

export class Runs {
  readonly keys: ProviderKeys;
  readonly #redis: Redis;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.#redis = redis;
    this.keys = keys;
  }

  /** Redis `TIME` in ms. For people and windows; what must be in order is drawn from `tick`. */
  now(): Promise<number> {
    return redisMs(this.#redis);
  }

  async meta(): Promise<ProviderMeta> {
    const meta = await this.#redis.hgetall(this.keys.meta);
    return {
      watermark: meta.watermark ?? null,
      verifiedAt: meta.verifiedAt ?? null,
      lastFullAt: meta.lastFullAt ?? null,
      changeKey: meta.changeKey ?? null,
      edition: meta.edition ?? null,
      lastRunId: meta.lastRunId ?? null,
      reconciled: meta.reconciled ? (JSON.parse(meta.reconciled) as ProviderMeta["reconciled"]) : null,
      reconcileFailed: meta.reconcileFailed
        ? (JSON.parse(meta.reconcileFailed) as ProviderMeta["reconcileFailed"])
        : null,
      // Stores written before the provider's clock existed have these in ms.
      verifiedOpened: Number(meta.verifiedOpened ?? Number(meta.verifiedOpenedMs ?? "0") * 1_000),
      wholeOpened: Number(meta.wholeOpened ?? Number(meta.wholeOpenedMs ?? "0") * 1_000),
      newestFetch: Number(meta.newestFetch ?? "0"),
      clock: meta.clock ?? "",
    };
  }

  openRunId(): Promise<string | null> {
    return this.#redis.get(this.keys.openRun);
  }

  async read(runId: string): Promise<RunRecord | undefined> {
    return toRunRecord(runId, await this.#redis.hgetall(this.keys.run(runId).run));
  }

  /** How long ago the run closed, ms; undefined while it is open. After Redis' clock went back: the distance. */
  async closedForMs(runId: string): Promise<number | undefined> {
    const [state, endedAt] = await this.#redis.hmget(this.keys.run(runId).run, "state", "endedAt");
    return state === "closed" && endedAt ? Math.abs((await this.now()) - Date.parse(endedAt)) : undefined;
  }

  async hasBookkeeping(runId: string): Promise<boolean> {
    const run = this.keys.run(runId);
    return (await this.#redis.exists(run.seen, run.regressed, run.fences, run.nameless)) > 0;
  }

  /** Closed runs whose bookkeeping is still there. */
  uncleanRunIds(): Promise<string[]> {
    return this.#redis.smembers(this.keys.unclean);
  }

  /** The replay run that takes dead letters, waiting or open. */
  replayRunId(): Promise<string | null> {
    return this.#redis.get(this.keys.replayRun);
  }

  /** Ids of replay runs that have opened, newest first. */
  recentReplayIds(limit: number): Promise<string[]> {
    return this.#redis.zrevrange(this.keys.replayRuns, 0, limit - 1);
  }

  /** Ids of ordinary runs, newest first. */
  recentRunIds(limit: number): Promise<string[]> {
    return this.#redis.zrevrange(this.keys.runs, 0, limit - 1);
  }

  /**
   * Opens a run with its first batches unless one is open. `plan` is asked under the mode that results: incremental on a
   * store never verified is full. Not opened, and no run id: something happened to the provider since the run was
   * prepared.
   */
  async open(request: {
    provider: string;
    mode: RunMode;
    /** Snapshots may be incremental without a watermark window; only a verified store has a change key. */
    source: string;
    actor: Actor;
    reason: string | undefined;
    allowShrink: boolean;
    allowOlder: boolean;
    repair: boolean;
    plan(input: { mode: RunMode; watermark: string | null; startedAt: string }): PlannedBatch<unknown>[];
    prepared?: PreparedRun | undefined;
  }): Promise<{ runId: string; opened: boolean }> {
    for (;;) {
      const meta = await this.meta();
      const ms = await this.now();
      const startedAt = new Date(ms).toISOString();
      const watermark = usableWatermark(meta, ms);
      const mode = request.mode === "incremental" && meta.verifiedAt === null ? "full" : request.mode;
      const { prepared } = request;
      const runId = prepared?.runId ?? newRunId(request.provider, startedAt);
      const batches = toEntries(request.plan({ mode, watermark, startedAt }), 1);
      const { provider, source, actor, reason = "", allowShrink, allowOlder, repair } = request;
      const fields = [
        ...["id", runId, "provider", provider, "source", source, "state", "open", "mode", mode],
        ...["startedAt", startedAt, "actor", actor.name, "actorKind", actor.kind, "reason", reason],
        ...["allowShrink", allowShrink ? "1" : "0", "allowOlder", allowOlder ? "1" : "0"],
        ...["repair", repair ? "1" : "0"],
        ...["watermarkBefore", watermark ?? "", "pass", "1", "round", "1"],
        ...(prepared ? ["bundle", JSON.stringify(prepared.bundle), "note", prepared.note] : []),
      ];
      const run = this.keys.run(runId);
      const reply = (await scripts.openRun.run(
        this.#redis,
        [this.keys.openRun, this.keys.meta, this.keys.runs, run.run, run.batches, run.status, run.order],
        [
          ...[runId, meta.watermark ?? "", prepared?.clock ?? "", fields.length],
          ...fields,
          ...triples(batches),
        ],
      )) as [number, string?];
      if (reply[0] === 1) return { runId, opened: true };
      if (reply[0] === 0) return { runId: reply[1] as string, opened: false };
      if (prepared) return { runId: "", opened: false };
    }
  }

  /** False when batches are outstanding after all. */
  async beginClosing(attempt: Attempt, verdict: unknown): Promise<boolean> {
    const run = this.keys.run(attempt.runId);
    const reply = Number(
      await scripts.beginClosing.run(
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
    const run = this.keys.run(attempt.runId);
    const reply = await scripts.setRunFields.run(
      this.#redis,
      [run.run, run.fences],
      [attempt.batchKey, attempt.fence, ...Object.entries(fields).flat()],
    );
    accepted(Number(reply), "the note");
  }

  /** A person resumes: errors are counted from here. */
  async resumed(runId: string, walkAgain: boolean): Promise<void> {
    const at = await this.tick();
    const run = await this.read(runId);
    if (!run || run.state === "closed") return;
    const errors = run.dead + run.deadSize;
    const processed = run.created + run.updated + run.unchanged + run.accepted + errors;
    await this.#redis.hset(this.keys.run(runId).run, {
      errorBaseTick: at,
      errorBaseErrors: errors,
      errorBaseProcessed: processed,
      retriesDeadBefore: await this.now(),
      ...(walkAgain ? { walkAgain: "1" } : {}),
    });
  }

  /** A person stops the run: what is planned is cancelled, what is under way is refused from now on. */
  async stop(runId: string, error: StoredError): Promise<void> {
    await this.close({ runId, batchKey: "", fence: 0, pass: 0 }, "stopped", error, {});
  }

  /** `fence` 0: an operator's request, which needs none. */
  async close(
    attempt: Attempt,
    result: "complete" | "incomplete" | "failed" | "stopped",
    error: StoredError | null,
    meta: Record<string, string>,
  ): Promise<void> {
    const run = this.keys.run(attempt.runId);
    const fields = Object.entries(meta).flat();
    const reply = await scripts.closeRun.run(
      this.#redis,
      [
        ...[run.run, run.fences, this.keys.meta, this.keys.openRun, run.status, run.results],
        ...[this.keys.replayRun, this.keys.unclean],
      ],
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

  /** A record that had failed is good after all: later errors must not hide behind those that were forgiven. */
  async errorTakenBack(runId: string): Promise<void> {
    await this.forgive(runId, 0);
  }

  /** Records that failed for good after a person's resume, but had been received before it. */
  async forgive(runId: string, records: number): Promise<void> {
    await scripts.forgiveErrors.run(this.#redis, [this.keys.run(runId).run], [records]);
  }

  /** Counts a request that is about to be sent. Returns its fetch's time, µs by the provider's clock. */
  async countRequest(runId: string): Promise<number> {
    return Number(
      await scripts.countRequest.run(this.#redis, [this.keys.run(runId).run, this.keys.meta], []),
    );
  }

  /** The next time of the provider's clock, µs: later than all before, even while Redis' clock goes back. */
  tick(): Promise<number> {
    return tick(this.#redis, this.keys.meta);
  }

  /** Says why the run waits; cleared by the next checkpoint. Informative: no fence needed. */
  async noteWaiting(runId: string, reason: string, waitMs: number): Promise<void> {
    const key = this.keys.run(runId).run;
    const untilMs = (await this.now()) + waitMs;
    await this.#redis.hset(key, "waitingReason", reason, "waitingUntil", new Date(untilMs).toISOString());
  }

  async nextFinishGeneration(runId: string): Promise<number> {
    return this.#redis.hincrby(this.keys.run(runId).run, "finishGeneration", 1);
  }

  /** A closed run needs neither its marks nor its fences: without them every late commit is refused as well. */
  async dropBookkeeping(runId: string): Promise<void> {
    const run = this.keys.run(runId);
    await this.#redis.unlink(run.seen, run.regressed, run.fences, run.nameless, run.work, run.deaths);
    await this.#redis.srem(this.keys.unclean, runId);
  }

  /** Forgets closed runs beyond the newest `keep`, but none that a dead letter refers to. */
  async trimHistory(keep: { ordinary: number; replays: number }): Promise<void> {
    await this.#trim(this.keys.runs, keep.ordinary);
    await this.#trim(this.keys.replayRuns, keep.replays);
  }

  async #trim(history: string, keep: number): Promise<void> {
    for (const runId of await this.#redis.zrange(history, 0, `-${keep + 1}`)) {
      const run = this.keys.run(runId);
      const [state, letters] = await this.#redis.hmget(run.run, "state", "letters");
      if (state !== "closed" || Number(letters ?? "0") > 0) continue;
      await this.#redis.unlink(run.run, run.batches, run.status, run.results, run.order);
      await this.#redis.zrem(history, runId);
    }
  }
}
