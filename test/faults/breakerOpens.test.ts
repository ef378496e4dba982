/**
 * Law 7 (none sent that must not be; probes count) and the promise that an open breaker costs no batch an attempt: an upstream
 * that fails for a while makes its provider wait, is left alone but for one request a time, and the run completes by itself
 * when the upstream is mended, with two real workers, one of them started while the breaker is open.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { Queue } from "bullmq";
import { canonicalJson } from "../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { checkBreaker } from "../support/breakerChecker.ts";
import { fromRequest } from "../support/lastingFault.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.kill("SIGKILL");
    await worker.ended();
  }
  await uee.close();
  await simulator.close();
});

const breakerOf = async (provider: string) =>
  (await uee.engine.breakers()).find(({ upstream }) => upstream === provider)!;
const machineOf = async (provider: string) =>
  (await uee.engine.status()).providers.find((one) => one.provider === provider)!.machine;

/** Attempts spent by all jobs of the provider that are not over. */
async function attemptsSpent(prefix: string, provider: string): Promise<number> {
  const queue = new Queue(provider, { prefix: `{${prefix}:${provider}}`, connection: { url: redis.url } });
  try {
    const jobs = await queue.getJobs(["waiting", "delayed", "active", "prioritized"]);
    return jobs.reduce((sum, job) => sum + job.attemptsMade, 0);
  } finally {
    await queue.close();
  }
}

test.each([
  ["attack", "reset"],
  ["cve", "status-500"],
] as const)(
  "%s waits while its upstream fails (%s), spends an attempt on each probe alone, and completes when it is mended",
  async (provider, fault) => {
    simulator = await startSimulator({
      seed: 1,
      cves: 7_000,
      attackObjects: 300,
      extremes: false,
      recordBytes: 600,
    });
    const prefix = `open-${provider}-${fault}`;
    const settings = testSettings({
      prefix,
      // Open for 1.1 s at first: long enough to be a state, short enough for a test.
      waitScale: 0.035,
      providers: { [provider]: { url: simulator.urls[provider], rate: "unlimited" } },
    });
    uee = await openTestEngine(redis.url, settings);
    // A windowed provider has one of its pages by then; a snapshot has none.
    simulator.setFaults([fromRequest(provider === "cve" ? 2 : 1, fault, provider)]);
    workers.push(await startWorkerProcess({ url: redis.url, settings }));
    const { runId } = await uee.engine.openRun({ provider, mode: "full" });

    await until(async () => (await breakerOf(provider)).state === "open");
    await until(async () => (await machineOf(provider)).state === "WAITING_BACKOFF");
    expect((await machineOf(provider)).reason).toMatch(/PROV_/);
    workers.push(await startWorkerProcess({ url: redis.url, settings }));
    // What was under way when it opened has ended by the first failed probe.
    await until(async () => (await breakerOf(provider)).failedProbes >= 1);
    const before = (await breakerOf(provider)).failedProbes;
    const spent = await attemptsSpent(prefix, provider);
    await until(async () => (await breakerOf(provider)).failedProbes >= 2);
    const more = (await attemptsSpent(prefix, provider)) - spent;
    // The last probe's job may not have settled yet, or one more may have begun meanwhile.
    expect(Math.abs(more - ((await breakerOf(provider)).failedProbes - before))).toBeLessThanOrEqual(1);
    expect(await uee.engine.runProgress(provider, runId)).toMatchObject({
      state: "running",
      deadLettered: 0,
    });

    simulator.clearFaults();
    const run = await uee.engine.waitForRun(provider, runId, { signal: AbortSignal.timeout(90_000) });
    expect(run).toMatchObject({ state: "complete", deadLettered: 0, error: null });
    expect(run.requests).toBe(simulator.counts().requests[provider]);
    const store = await exported(uee.engine, provider);
    for (const { id, data } of simulator.content(provider)) {
      expect(canonicalJson(store.get(id))).toBe(canonicalJson(data));
      store.delete(id);
    }
    expect([...store.keys()]).toEqual([]);

    const transitions = await uee.engine.breakerTransitions({ upstream: provider, limit: 1_000 });
    expect(transitions.map(({ trigger }) => trigger)).toEqual(
      expect.arrayContaining(["trip", "probe_begins", "probe_failed", "probe_succeeded"]),
    );
    const requests = simulator
      .log()
      .filter((entry) => entry.upstream === provider)
      .map(({ at, status }) => ({ atMs: Date.parse(at), status }));
    expect(checkBreaker(transitions.reverse(), requests)).toEqual([]);
    expect((await breakerOf(provider)).state).toBe("closed");
  },
);
