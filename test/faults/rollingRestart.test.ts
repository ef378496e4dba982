/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for): a fleet that is replaced worker by worker in mid-run, as a
 * deploy does, loses nothing, repeats nothing but what was in flight, and spends no attempt.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { jobFacts } from "../support/jobFacts.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

const FLEET = 3;
const BATCHES = 14;

let redis: TestRedis;
let simulator: Simulator;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({});
  simulator = await startSimulator({
    cves: BATCHES * 2_000,
    recordBytes: 500,
    extremes: false,
    latencyMs: 600,
  });
});
afterAll(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await simulator.close();
  await redis.stop();
});

/** Batches that this worker began to fetch and did not commit: they went back. */
const wentBack = ({ steps }: WorkerProcess): string[] => {
  const done = new Set(
    steps.filter(({ step, phase }) => step === "checkpoint" && phase === "after").map(({ batch }) => batch),
  );
  const begun = steps.filter(({ step, phase }) => step === "fetch" && phase === "before");
  return begun.map(({ batch }) => batch).filter((batch) => !done.has(batch));
};

test("a fleet replaced worker by worker in mid-run loses and repeats nothing", async () => {
  const settings = testSettings({ providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } } });
  const start = async (): Promise<WorkerProcess> => {
    const worker = await startWorkerProcess({ url: redis.url, settings, logs: true });
    workers.push(worker);
    return worker;
  };
  await Promise.all(Array.from({ length: FLEET }, start));
  const uee = await openTestEngine(redis.url, settings);
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });

  const old = [...workers];
  for (const worker of old) {
    // In mid-batch: it has fetched, or is about to.
    await until(() => wentBack(worker).length > 0);
    worker.kill("SIGTERM");
    await start();
    await worker.ended();
    expect({ code: worker.process.exitCode, signal: worker.process.signalCode }).toEqual({
      code: 0,
      signal: null,
    });
  }
  const { batchesDone } = await uee.engine.runProgress("cve", runId);
  // The run outlived the old fleet: it was replaced in the midst of it.
  expect(batchesDone).toBeLessThan(BATCHES);
  expect((await uee.engine.workers()).map(({ health }) => health)).toEqual(Array(FLEET).fill("live"));

  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 50 });
  expect(run).toMatchObject({ state: "complete", fetched: BATCHES * 2_000, deadLettered: 0, error: null });
  const store = await exported(uee.engine, "cve");
  const wrong = [...simulator.content("cve")].filter(({ id, data }) => {
    const same = store.has(id) && canonicalJson(store.get(id)) === canonicalJson(data);
    store.delete(id);
    return !same;
  });
  expect(wrong.map(({ id }) => id)).toEqual([]);
  expect([...store.keys()]).toEqual([]);

  await until(async () => (await uee.engine.status()).providers[0]!.jobs.active === 0);
  const jobs = await jobFacts(uee.redis.commands, settings.prefix, "cve");
  const batches = jobs.filter(({ name }) => name === "batch");
  expect(batches).toHaveLength(BATCHES);
  // Completing counts as one: no other attempt was spent, nothing stalled.
  expect(
    jobs.filter(({ state, made, stalled }) => state !== "completed" || made !== 1 || stalled > 0),
  ).toEqual([]);

  const back = old.flatMap(wentBack);
  expect(back.length).toBeGreaterThan(0);
  expect(back.length).toBeLessThanOrEqual(FLEET * settings.concurrency);
  expect(run.requests).toBeLessThanOrEqual(BATCHES + back.length);
  // Counted before it is sent: a batch that is called off in between has sent nothing.
  const arrived = simulator.counts().requests.cve;
  expect(run.requests - arrived).toBeGreaterThanOrEqual(0);
  expect(run.requests - arrived).toBeLessThanOrEqual(back.length);
  expect((await uee.engine.permits.show()).allocated).toBe(0);
  await uee.close();
});
