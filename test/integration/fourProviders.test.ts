/** Four providers side by side through real workers, on fewer permits than they want. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import type { ProviderPermits } from "../../src/permits/report.ts";
import { type IdleOptions, idleProvider } from "../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

jest.setTimeout(120_000);

let redis: TestRedis;
const pods: TestEngine[] = [];

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
});
afterEach(async () => {
  await Promise.all(pods.splice(0).map((pod) => pod.close()));
});

/** Two pods with the same providers; a run of each is open when this resolves. */
async function fleet(loads: Record<string, IdleOptions>, permits: number): Promise<TestEngine> {
  const providers = Object.entries(loads).map(([name, load]) => idleProvider(name, load));
  for (let i = 0; i < 2; i++)
    pods.push(await openTestEngine(redis.url, { permits, waitScale: 1 }, { providers }));
  for (const { engine } of pods) await engine.startWorker();
  const [pod] = pods;
  for (const { name } of providers) await pod!.engine.openRun({ provider: name, mode: "full" });
  return pod!;
}

const ended = (pod: TestEngine, names: string[]) =>
  Promise.all(
    names.map(async (name) => {
      const { openRun, lastRun } = (await pod.engine.status()).providers.find((p) => p.provider === name)!;
      return pod.engine.waitForRun(name, (openRun ?? lastRun)!.runId, { pollMs: 50 });
    }),
  );

const permitTimes = async (pod: TestEngine): Promise<Map<string, number>> =>
  new Map(
    (await pod.engine.permits.show()).providers.map((p: ProviderPermits) => [p.provider, p.permitTimeMs]),
  );

const machineOf = async (pod: TestEngine, name: string) =>
  (await pod.engine.status()).providers.find(({ provider }) => provider === name)!.machine;

const names = ["alpha", "beta", "gamma", "delta"];

describe("four providers at work at once", () => {
  test("get a quarter of the permit time each, though one holds its permits four times as long", async () => {
    const load = { batches: 2_000, takes: 40 };
    const pod = await fleet(
      Object.fromEntries(names.map((name) => [name, name === "alpha" ? { ...load, takes: 160 } : load])),
      3,
    );
    await until(async () => {
      const times = await permitTimes(pod);
      return names.every((name) => (times.get(name) ?? 0) > 500);
    });
    const before = await permitTimes(pod);
    // All of them want more than there is for as long as this lasts.
    await until(async () => ((await permitTimes(pod)).get("alpha") ?? 0) > before.get("alpha")! + 5_000);
    const after = await permitTimes(pod);
    const had = names.map((name) => after.get(name)! - before.get(name)!);
    const all = had.reduce((sum, ms) => sum + ms, 0);
    for (const ms of had) {
      expect(ms / all).toBeGreaterThan(0.2);
      expect(ms / all).toBeLessThan(0.3);
    }
    for (const name of names) await pod.engine.stop(name);
  });

  test("finish as if a frozen one were absent, which keeps no more than its share", async () => {
    const frozen = { batches: 20, takes: (_n: number, signal: AbortSignal) => untilAborted(signal) };
    const load = { batches: 30, takes: 20 };
    const others = names.slice(1);
    const pod = await fleet(
      { alpha: frozen, ...Object.fromEntries(others.map((name) => [name, load])) },
      // A pod works on two batches of a provider at once: the frozen one holds four.
      8,
    );
    for (const run of await ended(pod, others)) expect(run).toMatchObject({ state: "complete", created: 30 });
    expect(await machineOf(pod, "alpha")).toMatchObject({ state: "RUNNING" });
    await pod.engine.stop("alpha");
  });

  test("say WAITING_QUOTA when left without a permit, spend no attempt on it, and go on by themselves", async () => {
    let go: (() => void) | undefined;
    const opened = new Promise<void>((resolve) => {
      go = resolve;
    });
    const pod = await fleet(
      { alpha: { batches: 1, takes: () => opened }, beta: { batches: 3, takes: 1 } },
      1,
    );
    await until(async () => {
      const states = [await machineOf(pod, "alpha"), await machineOf(pod, "beta")];
      return states.some(({ state }) => state === "WAITING_QUOTA");
    });
    const waiting = (await machineOf(pod, "beta")).state === "WAITING_QUOTA" ? "beta" : "alpha";
    expect((await machineOf(pod, waiting)).reason).toContain("no permit");
    go?.();
    for (const run of await ended(pod, ["alpha", "beta"])) expect(run).toMatchObject({ state: "complete" });
    const jobs = await redis.client().keys("*:b-*");
    const attempts = await Promise.all(
      jobs.filter((key) => !key.endsWith(":lock")).map((key) => redis.client().hget(key, "atm")),
    );
    expect(attempts.length).toBeGreaterThan(0);
    expect(Math.max(...attempts.map(Number))).toBeLessThanOrEqual(1);
    expect((await pod.engine.history({ provider: waiting, limit: 50 })).map(({ what }) => what)).toContain(
      "ACQUIRING → WAITING_QUOTA",
    );
  });

  test("tell their permit calls' times to the optimizer, and a person's resize to the history", async () => {
    const pod = await fleet({ alpha: { batches: 30, takes: 1 } }, 2);
    await ended(pod, ["alpha"]);
    // begin and checkpoint of thirty batches are sixty: the rest are permits.
    await until(async () => (await redis.client().llen("{uee}:control-samples")) > 70);
    await pod.engine.permits.resize(7, { actor: "ann", reason: "night shift" });
    const [line] = (await pod.engine.history({ limit: 50 })).filter(({ kind }) => kind === "quota");
    expect(line).toMatchObject({
      what: "resize to 7",
      actor: "ann",
      reason: "night shift",
      trigger: "person",
    });
  });
});

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
