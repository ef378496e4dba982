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
 *  - between closing and cleaning: the run stands among the unclean; whoever finishes, sweeps or replays cleans it.
 */
import { randomBytes } from "node:crypto";
import type { PlannedBatch, RunMode } from "../providers/contract.ts";
import type { Attempt } from "../records/contract.ts";
import { loadScript } from "../redis/scripts.ts";
import { tick } from "../redis/time.ts";
import { accepted, RunBatches, toEntries, triples } from "./batches.ts";
import { type Starter, type StoredError, usableWatermark } from "./runRecord.ts";

export { toEntries } from "./batches.ts";
export type { BatchEntry, BatchStatus, RunRecord, StoredError } from "./runRecord.ts";

const script = (name: string) => loadScript(new URL(`./lua/${name}.lua`, import.meta.url));
const scripts = {
  openRun: script("openRun-7"),
  beginClosing: script("beginClosing-2"),
  setRunFields: script("setRunFields-2"),
  closeRun: script("closeRun-8"),
  countRequest: script("countRequest-2"),
};

export class RunStore extends RunBatches {
  /**
   * Opens a run with its first batches unless one is open. `plan` is asked under the mode that results: incremental on a
   * store never verified is full.
   */
  async open(request: {
    provider: string;
    mode: RunMode;
    /** Snapshots may be incremental without a watermark window; only a verified store has a change key. */
    source: string;
    actor: Starter;
    reason: string | undefined;
    allowShrink: boolean;
    allowOlder: boolean;
    plan(input: { mode: RunMode; watermark: string | null; startedAt: string }): PlannedBatch<unknown>[];
  }): Promise<{ runId: string; opened: boolean }> {
    for (;;) {
      const meta = await this.meta();
      const ms = await this.now();
      const startedAt = new Date(ms).toISOString();
      const watermark = usableWatermark(meta, ms);
      const mode = request.mode === "incremental" && meta.verifiedAt === null ? "full" : request.mode;
      const stamp = startedAt.replace(/[-:]/g, "").replace(".", "");
      const runId = `${request.provider}-${stamp}-${randomBytes(3).toString("hex")}`;
      const batches = toEntries(request.plan({ mode, watermark, startedAt }), 1);
      const fields = [
        ["id", runId],
        ["provider", request.provider],
        ["state", "open"],
        ["mode", mode],
        ["startedAt", startedAt],
        ["actor", request.actor.name],
        ["actorKind", request.actor.kind],
        ["reason", request.reason ?? ""],
        ["allowShrink", request.allowShrink ? "1" : "0"],
        ["allowOlder", request.allowOlder ? "1" : "0"],
        ["watermarkBefore", watermark ?? ""],
        ["source", request.source],
        ["pass", "1"],
        ["round", "1"],
      ].flat() as string[];
      const run = this.runKeys(runId);
      const reply = (await scripts.openRun.run(
        this.redis,
        [this.keys.openRun, this.keys.meta, this.keys.runs, run.run, run.batches, run.status, run.order],
        [runId, meta.watermark ?? "", fields.length, ...fields, ...triples(batches)],
      )) as [number, string?];
      if (reply[0] === 1) return { runId, opened: true };
      if (reply[0] === 0) return { runId: reply[1] as string, opened: false };
    }
  }

  /** False when batches are outstanding after all. */
  async beginClosing(attempt: Attempt, verdict: unknown): Promise<boolean> {
    const run = this.runKeys(attempt.runId);
    const reply = Number(
      await scripts.beginClosing.run(
        this.redis,
        [run.run, run.fences],
        [attempt.batchKey, attempt.fence, JSON.stringify(verdict)],
      ),
    );
    if (reply === -3) return false;
    accepted(reply, "closing the door");
    return true;
  }

  async setFields(attempt: Attempt, fields: Record<string, string>): Promise<void> {
    const run = this.runKeys(attempt.runId);
    const reply = await scripts.setRunFields.run(
      this.redis,
      [run.run, run.fences],
      [attempt.batchKey, attempt.fence, ...Object.entries(fields).flat()],
    );
    accepted(Number(reply), "the note");
  }

  /** A person resumes: errors are counted anew from here. */
  async resumed(runId: string, walkAgain: boolean): Promise<void> {
    const at = await this.tick();
    const run = await this.read(runId);
    if (!run || run.state === "closed") return;
    const errors = run.dead + run.deadSize;
    const processed = run.created + run.updated + run.unchanged + run.accepted + errors;
    await this.redis.hset(this.runKeys(runId).run, {
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

  /** `fence` 0: a person's word, which needs none. */
  async close(
    attempt: Attempt,
    result: "complete" | "incomplete" | "failed" | "stopped",
    error: StoredError | null,
    meta: Record<string, string>,
  ): Promise<void> {
    const run = this.runKeys(attempt.runId);
    const fields = Object.entries(meta).flat();
    const reply = await scripts.closeRun.run(
      this.redis,
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

  /** Counts a request that is about to be sent. Returns its fetch's time, µs by the provider's clock. */
  async countRequest(runId: string): Promise<number> {
    return Number(await scripts.countRequest.run(this.redis, [this.runKeys(runId).run, this.keys.meta], []));
  }

  /** The next time of the provider's clock, µs: later than all before, even while Redis' clock goes back. */
  tick(): Promise<number> {
    return tick(this.redis, this.keys.meta);
  }

  /** Says why the run waits; cleared by the next checkpoint. Informative: no fence needed. */
  async noteWaiting(runId: string, reason: string, waitMs: number): Promise<void> {
    const key = this.runKeys(runId).run;
    const untilMs = (await this.now()) + waitMs;
    await this.redis.hset(key, "waitingReason", reason, "waitingUntil", new Date(untilMs).toISOString());
  }

  async nextFinishGeneration(runId: string): Promise<number> {
    return this.redis.hincrby(this.runKeys(runId).run, "finishGeneration", 1);
  }

  /** A closed run needs neither its marks nor its fences: without them every late commit is refused as well. */
  async dropBookkeeping(runId: string): Promise<void> {
    const run = this.runKeys(runId);
    await this.redis.unlink(run.seen, run.regressed, run.fences, run.nameless, run.work, run.deaths);
    await this.redis.srem(this.keys.unclean, runId);
  }

  /** Forgets closed runs beyond the newest `keep`, but none that a dead letter refers to. */
  async trimHistory(keep: { ordinary: number; replays: number }): Promise<void> {
    await this.#trim(this.keys.runs, keep.ordinary);
    await this.#trim(this.keys.replayRuns, keep.replays);
  }

  async #trim(history: string, keep: number): Promise<void> {
    for (const runId of await this.redis.zrange(history, 0, `-${keep + 1}`)) {
      const run = this.runKeys(runId);
      const [state, letters] = await this.redis.hmget(run.run, "state", "letters");
      if (state !== "closed" || Number(letters ?? "0") > 0) continue;
      await this.redis.unlink(run.run, run.batches, run.status, run.results, run.order);
      await this.redis.zrem(history, runId);
    }
  }
}
