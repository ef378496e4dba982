/** What Redis tells of runs and their batches. Reads only; runBatches.ts and runStore.ts write. */
import type { Redis } from "ioredis";
import type { ProviderKeys, RunKeys } from "../redis/keys.ts";
import { redisMs } from "../redis/time.ts";
import {
  type BatchEntry,
  type BatchResult,
  type BatchStatus,
  type ProviderMeta,
  type RunRecord,
  toRunRecord,
} from "./runRecord.ts";

export class RunReads {
  readonly keys: ProviderKeys;
  protected readonly redis: Redis;

  constructor(redis: Redis, keys: ProviderKeys) {
    this.redis = redis;
    this.keys = keys;
  }

  protected runKeys(runId: string): RunKeys {
    return this.keys.run(runId);
  }

  /** Redis `TIME` in ms. For people and windows; what must be in order is drawn from `tick`. */
  now(): Promise<number> {
    return redisMs(this.redis);
  }

  async meta(): Promise<ProviderMeta> {
    const meta = await this.redis.hgetall(this.keys.meta);
    return {
      watermark: meta.watermark ?? null,
      verifiedAt: meta.verifiedAt ?? null,
      lastFullAt: meta.lastFullAt ?? null,
      changeKey: meta.changeKey ?? null,
      edition: meta.edition ?? null,
      lastRunId: meta.lastRunId ?? null,
      // Stores written before the provider's clock existed have these in ms.
      verifiedOpened: Number(meta.verifiedOpened ?? Number(meta.verifiedOpenedMs ?? "0") * 1_000),
      wholeOpened: Number(meta.wholeOpened ?? Number(meta.wholeOpenedMs ?? "0") * 1_000),
      newestFetch: Number(meta.newestFetch ?? "0"),
    };
  }

  openRunId(): Promise<string | null> {
    return this.redis.get(this.keys.openRun);
  }

  async read(runId: string): Promise<RunRecord | undefined> {
    return toRunRecord(runId, await this.redis.hgetall(this.runKeys(runId).run));
  }

  /** How long ago the run closed, ms; undefined while it is open. After Redis' clock went back: the distance. */
  async closedForMs(runId: string): Promise<number | undefined> {
    const [state, endedAt] = await this.redis.hmget(this.runKeys(runId).run, "state", "endedAt");
    return state === "closed" && endedAt ? Math.abs((await this.now()) - Date.parse(endedAt)) : undefined;
  }

  async hasBookkeeping(runId: string): Promise<boolean> {
    const run = this.runKeys(runId);
    return (await this.redis.exists(run.seen, run.regressed, run.fences, run.nameless)) > 0;
  }

  /** Closed runs whose bookkeeping is still there. */
  uncleanRunIds(): Promise<string[]> {
    return this.redis.smembers(this.keys.unclean);
  }

  /** The replay run that takes letters, waiting or open. */
  replayRunId(): Promise<string | null> {
    return this.redis.get(this.keys.replayRun);
  }

  /** Of replay runs that have opened, newest first. */
  recentReplayIds(limit: number): Promise<string[]> {
    return this.redis.zrevrange(this.keys.replayRuns, 0, limit - 1);
  }

  /** Of ordinary runs, newest first. */
  recentRunIds(limit: number): Promise<string[]> {
    return this.redis.zrevrange(this.keys.runs, 0, limit - 1);
  }

  async statuses(runId: string): Promise<Map<string, BatchStatus>> {
    const raw = await this.redis.hgetall(this.runKeys(runId).status);
    return new Map(
      Object.entries(raw).map(([key, text]) => [
        key,
        { letter: text[0] as BatchStatus["letter"], generation: Number(text.slice(1)), raw: text },
      ]),
    );
  }

  /** State of a run and letter of one of its batches; null where there is none. */
  async stateOf(
    runId: string,
    batch: string,
  ): Promise<{ runState: RunRecord["state"] | null; status: BatchStatus["letter"] | null }> {
    const run = this.runKeys(runId);
    const [runState, status] = await Promise.all([
      this.redis.hget(run.run, "state"),
      this.redis.hget(run.status, batch),
    ]);
    return {
      runState: runState as RunRecord["state"] | null,
      status: (status?.[0] ?? null) as BatchStatus["letter"] | null,
    };
  }

  async entries(runId: string, keys: string[]): Promise<BatchEntry[]> {
    if (keys.length === 0) return [];
    const raw = await this.redis.hmget(this.runKeys(runId).batches, ...keys);
    return raw.filter((text): text is string => text !== null).map((text) => JSON.parse(text) as BatchEntry);
  }

  async result(runId: string, key: string): Promise<BatchResult | undefined> {
    const raw = await this.redis.hget(this.runKeys(runId).results, key);
    return raw ? (JSON.parse(raw) as BatchResult) : undefined;
  }

  /** The results of a pass's batches in plan order, of those that have one. */
  async results(runId: string, pass: number): Promise<{ key: string; result: BatchResult }[]> {
    const run = this.runKeys(runId);
    const [order, results] = await Promise.all([
      this.redis.hgetall(run.order),
      this.redis.hgetall(run.results),
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

  /** Checkpoints older than `before` (an exclusive stream id, or `+`), newest first. */
  async checkpointsBefore(
    before: string,
    count: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]> {
    const entries = await this.redis.xrevrange(this.keys.checkpoints, before, "-", "COUNT", count);
    return entries.map(([id, flat]) => {
      const fields: Record<string, string> = {};
      for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
      return { id, fields };
    });
  }
}
