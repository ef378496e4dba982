/**
 * A full CVE run by real worker processes against a simulator, for tests that trouble its Redis in mid-run. It is verified at
 * its end: complete, the store equal to the simulator's content, no attempt spent, no dead letter, and the workers' logs
 * told each trouble once.
 */
import { afterAll, beforeAll, expect } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import type { RunProgress } from "../../src/engine/api.ts";
import type { EngineSettings } from "../../src/engine.ts";
import { jobId } from "../../src/queues/jobCatalog.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { type RedisServerOptions, startRedis, type TestRedis } from "./redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "./testEngine.ts";
import { until } from "./until.ts";
import { type LogLine, startWorkerProcess, type WorkerProcess } from "./workers.ts";

export interface TroubledRun {
  readonly simulator: Simulator;
  readonly workers: readonly WorkerProcess[];
  readonly settings: EngineSettings;
  readonly runId: string;
  /** Requests that reached the upstream so far. */
  requests(): number;
  /** Log lines of all workers with this event. */
  said(event: string): LogLine[];
  /** Resolves when every worker has logged that Redis is in trouble or out of reach. */
  everyoneKnows(): Promise<void>;
  /** Waits for the run's end and verifies it. */
  end(): Promise<RunProgress>;
  close(): Promise<void>;
}

export interface TroubledRunOptions {
  redis: Pick<TestRedis, "url">;
  /** What the workers connect to. Default: the server itself. */
  url?: string;
  workers?: number;
  /** Default 9,000: five batches. */
  cves?: number;
  /** How long the run may take to its end after `end()` was called, ms. */
  withinMs?: number;
}

let prefixes = 0;

/** Resolves in mid-run: some batches are committed, others under way or waiting. */
export async function startTroubledRun(options: TroubledRunOptions): Promise<TroubledRun> {
  const { redis, url = redis.url, workers: count = 2, cves = 9_000, withinMs = 90_000 } = options;
  const simulator = await startSimulator({ cves, recordBytes: 600, extremes: false, latencyMs: 400 });
  const settings = testSettings({
    prefix: `t${process.pid}x${prefixes++}`,
    providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
  });
  const workers = await Promise.all(
    Array.from({ length: count }, () => startWorkerProcess({ url, settings, logs: true })),
  );
  let uee: TestEngine = await openTestEngine(redis.url, settings);
  const committed = Promise.race(workers.map((worker) => worker.reached("checkpoint", "after")));
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  await committed;
  await uee.close();
  const said = (event: string) => workers.flatMap(({ logs }) => logs.filter((line) => line.event === event));

  async function verify(run: RunProgress): Promise<void> {
    expect(run).toMatchObject({ state: "complete", deadLettered: 0, error: null });
    const stored = await exported(uee.engine, "cve");
    const wrong: string[] = [];
    for (const { id, data } of simulator.content("cve")) {
      if (!stored.has(id)) wrong.push(`${id} is missing`);
      else if (canonicalJson(stored.get(id)) !== canonicalJson(data)) wrong.push(`${id} differs`);
      stored.delete(id);
    }
    expect(wrong.concat([...stored.keys()].map((id) => `${id} is not upstream`))).toEqual([]);
    expect(run.fetched).toBe([...simulator.content("cve")].length);
    // Every job that is kept completed with the one attempt that completing counts; one whose completing got lost on the
    // way waits for the stalled check, and completes then.
    await until(async () => {
      const { active, waiting, delayed } = (await uee.engine.status()).providers[0]!.jobs;
      return active + waiting + delayed === 0;
    });
    const tag = `{${settings.prefix}:cve}`;
    const store = uee.redis.of(tag);
    const statuses = await store.hgetall(`${tag}:run:${runId}:status`);
    for (const [batch, status] of Object.entries(statuses)) {
      const generation = Number(status.slice(1));
      const key = `${tag}:cve:${jobId({ runId, batch, generation })}`;
      expect({ batch, made: await store.hget(key, "atm") }).toEqual({ batch, made: "1" });
    }
    expect(said("batch_retry").concat(said("batch_dead"), said("batch_fatal"))).toEqual([]);
  }

  return {
    simulator,
    workers,
    settings,
    runId,
    requests: () => simulator.counts().requests.cve,
    said,
    everyoneKnows: () =>
      until(() =>
        workers.every(({ logs }) =>
          logs.some(({ event }) => event === "redis_trouble" || event === "redis_lost"),
        ),
      ),
    async end() {
      uee = await openTestEngine(redis.url, settings);
      const signal = AbortSignal.timeout(withinMs);
      try {
        const run = await uee.engine.waitForRun("cve", runId, { pollMs: 50, signal });
        await verify(run);
        return run;
      } finally {
        await uee.close();
      }
    },
    async close() {
      for (const worker of workers) worker.kill("SIGKILL");
      await Promise.all(workers.map((worker) => worker.ended()));
      await simulator.close();
    },
  };
}

/** One for all tests of a file, with a Redis of its own that keeps an append-only file. Both are there once tests begin. */
export function duringTroubledRun(options: RedisServerOptions = {}): {
  readonly redis: TestRedis;
  readonly run: TroubledRun;
} {
  const now: { redis?: TestRedis; run?: TroubledRun } = {};
  beforeAll(async () => {
    now.redis = await startRedis({ appendonly: true, ...options });
    now.run = await startTroubledRun({ redis: now.redis });
  });
  afterAll(async () => {
    await now.run?.close();
    await now.redis?.stop();
  });
  return {
    get redis() {
      return now.redis!;
    },
    get run() {
      return now.run!;
    },
  };
}
