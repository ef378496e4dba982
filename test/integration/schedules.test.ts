import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Queue } from "bullmq";
import type { EngineSettings } from "../../src/engine.ts";
import type { AnyProvider } from "../../src/providers/contract.ts";
import { providers as registered } from "../../src/providers/registry.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { ageSchedule, runsQueueOf, slotsOf } from "../support/schedules.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

const HOUR = 3_600_000;
const id = "uee-alpha-incremental";

let redis: TestRedis;
let queue: Queue;
const open: TestEngine[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
  queue = runsQueueOf(redis.url);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((uee) => uee.close()));
  await queue.close();
});

/** What the one provider of a test does with its only batch. */
let work: (signal: AbortSignal) => Promise<void> = async () => {};
const alpha = idleProvider("alpha", { batches: 1, takes: (_n, signal) => work(signal) });

async function engine(settings: Partial<EngineSettings> = {}, providers?: readonly AnyProvider[]) {
  const uee = await openTestEngine(redis.url, settings, providers === undefined ? {} : { providers });
  open.push(uee);
  return uee;
}

const service = async (settings: Partial<EngineSettings> = {}) => {
  const uee = await engine(settings, [alpha]);
  const worker = await uee.engine.startWorker({ schedules: true });
  return { ...uee, worker };
};

test("providers that wait for each other in a circle are refused", async () => {
  const after = (name: string, ...firsts: string[]): AnyProvider => ({
    ...idleProvider(name, { batches: 1, takes: 0 }),
    after: firsts,
  });
  const refused = (providers: AnyProvider[]) =>
    expect(engine({}, providers)).rejects.toMatchObject({
      code: "SYS_CONFIG_INVALID",
      detail: expect.stringMatching(/ → /),
    });
  await refused([after("alpha", "alpha")]);
  await refused([after("delta", "beta"), after("beta", "gamma"), after("gamma", "delta"), after("alpha")]);
  await engine({}, [after("delta", "beta", "gamma"), after("beta", "gamma"), after("gamma", "elsewhere")]);
});

describe("a worker that serves", () => {
  test("keeps one next run for every schedule of every provider, and so do ten that start at once", async () => {
    const ten = await Promise.all(Array.from({ length: 10 }, () => engine()));
    await Promise.all(ten.map(({ engine }) => engine.startWorker({ schedules: true })));
    const ids = [
      "uee-cve-full",
      "uee-cve-reconcile",
      ...registered.map(({ name }) => `uee-${name}-incremental`),
    ].sort();
    expect((await queue.getJobSchedulers()).map(({ key }) => key).sort()).toEqual(ids);
    for (const schedule of ids) expect(await slotsOf(queue, schedule)).toHaveLength(1);

    const views = await ten[0]!.engine.schedules();
    expect(views.filter(({ enabled }) => enabled)).toMatchObject([
      { provider: "cve", mode: "incremental", everyMs: 2 * HOUR, cron: null, last: null },
      { provider: "cve", mode: "full", everyMs: 168 * HOUR },
      { provider: "cve", mode: "reconcile", everyMs: 24 * HOUR },
      ...registered
        .filter(({ kind }) => kind === "snapshot")
        .map(({ name }) => ({ provider: name, mode: "incremental", everyMs: 24 * HOUR })),
    ]);
    const { providers, stranded } = await ten[0]!.engine.status();
    const nearest = views.find(({ provider }) => provider === "cve")!.next;
    expect(providers[0]!.nextRun).toEqual({ at: nearest, mode: "incremental" });
    expect(stranded).toBe(false);
  });

  test("takes cron expressions, intervals and off from its settings, and a new provider's schedule from its kind", async () => {
    const beta = { ...idleProvider("beta", { batches: 1, takes: 0 }), schedule: { full: "0 4 * * 0" } };
    const uee = await engine(
      { providers: { alpha: { schedule: { incremental: "off", full: { cron: "15 2 * * 1" } } } } },
      [alpha, beta],
    );
    await uee.engine.startWorker({ schedules: true });
    expect(await uee.engine.schedules()).toMatchObject([
      { provider: "alpha", mode: "incremental", enabled: false, next: null },
      { provider: "alpha", mode: "full", enabled: true, cron: "15 2 * * 1" },
      { provider: "beta", mode: "incremental", enabled: true, everyMs: 24 * HOUR },
      { provider: "beta", mode: "full", enabled: true, cron: "0 4 * * 0" },
    ]);
    expect(await slotsOf(queue)).toHaveLength(3);
  });

  test("removes the schedules of a fleet that is started with schedules off", async () => {
    await (await service()).worker.stop();
    expect(await slotsOf(queue)).toHaveLength(1);
    const uee = await service({ schedules: false });
    expect(await queue.getJobSchedulers()).toEqual([]);
    expect(await slotsOf(queue)).toEqual([]);
    expect((await uee.engine.schedules()).some(({ enabled }) => enabled)).toBe(false);
  });
});

describe("a worker that only helps with a run", () => {
  test("makes no schedules, and leaves the slots and scripts' jobs of others alone", async () => {
    await (await service()).worker.stop();
    await ageSchedule(redis.client(), queue, id, Date.now() - 50 * HOUR);
    await queue.add("run", { provider: "alpha", mode: "full" }, { jobId: "script" });
    await redis.client().del("{uee}:schedules");
    const uee = await engine({}, [alpha]);
    const { runId } = await uee.engine.openRun({ provider: "alpha", mode: "full" });
    const worker = await uee.engine.startWorker({ providers: ["alpha"] });
    await uee.engine.waitForRun("alpha", runId, { pollMs: 20 });
    await worker.stop();
    expect(await redis.client().exists("{uee}:schedules")).toBe(0);
    expect(await queue.getJobState("script")).toBe("waiting");
    expect(await slotsOf(queue, id)).toHaveLength(1);
    // An overdue slot waits for a worker as the script's job does.
    expect((await uee.engine.status()).stranded).toBe(true);
  });
});

describe("a slot that is due", () => {
  test("opens a run, is followed by the next one, and is remembered", async () => {
    const uee = await service();
    await ageSchedule(redis.client(), queue, id, Date.now() - 1_000);
    await until(async () => (await uee.engine.schedules())[0]!.last !== null);
    const [view] = await uee.engine.schedules();
    expect(view).toMatchObject({ lastOutcome: "opened" });
    expect(Date.parse(view!.next!)).toBeGreaterThan(Date.now() + 23 * HOUR);
    const run = await uee.engine.waitForRun("alpha", view!.lastRunId!, { pollMs: 20 });
    expect(run).toMatchObject({ state: "complete" });
    const [opened] = (await uee.engine.transitions({ provider: "alpha", limit: 10 })).slice(-1);
    expect(opened).toMatchObject({ trigger: "open_run", actor: id, actorKind: "schedule" });
    expect(await slotsOf(queue, id)).toHaveLength(1);
  });

  test.each([
    ["an interval", { every: 2 * HOUR }],
    ["a cron expression", { cron: "*/10 * * * *" }],
  ])("is caught up once after the fleet was down for many slots of %s", async (_name, schedule) => {
    const settings = { providers: { alpha: { schedule: { incremental: schedule } } } };
    await (await service(settings)).worker.stop();
    await ageSchedule(redis.client(), queue, id, Date.now() - 100 * HOUR);
    const uee = await service(settings);
    await until(async () => (await uee.engine.schedules())[0]!.last !== null);
    await uee.engine.waitForRun("alpha", (await uee.engine.schedules())[0]!.lastRunId!, { pollMs: 20 });
    // Whatever had been queued for the other slots would be taken before a job that is added now.
    const marker = await queue.add("run", { provider: "alpha", mode: "incremental" });
    await until(async () => (await marker.getState()) === "completed");
    await until(async () => (await uee.engine.status()).providers[0]!.openRun === null);
    expect(await uee.engine.runs({ provider: "alpha", limit: 10 })).toHaveLength(2);
    const next = Date.parse((await uee.engine.schedules())[0]!.next!);
    expect(next).toBeGreaterThan(Date.now());
    expect(next).toBeLessThanOrEqual(Date.now() + 2 * HOUR);
    expect(await slotsOf(queue, id)).toHaveLength(1);
  });

  test("joins the run that is open", async () => {
    let go = () => {};
    work = () => new Promise((resolve) => (go = resolve));
    try {
      const uee = await service();
      const { runId } = await uee.engine.openRun({ provider: "alpha", mode: "full" });
      await ageSchedule(redis.client(), queue, id, Date.now() - 1_000);
      await until(async () => (await uee.engine.schedules())[0]!.last !== null);
      expect((await uee.engine.schedules())[0]).toMatchObject({ lastOutcome: "joined", lastRunId: runId });
      expect(await uee.engine.runs({ provider: "alpha", limit: 10 })).toHaveLength(1);
      go();
      await uee.engine.waitForRun("alpha", runId, { pollMs: 20 });
    } finally {
      work = async () => {};
    }
  });

  test("of a full run waits for an open increment, then opens; its schedule has one next run all the while", async () => {
    const fullId = "uee-alpha-full";
    const settings = {
      providers: { alpha: { schedule: { incremental: "off", full: { every: 168 * HOUR } } } },
    } as const;
    const uee = await service(settings);
    await uee.run("alpha");
    let go = () => {};
    work = () => new Promise((resolve) => (go = resolve));
    try {
      const { mode } = await uee.engine.openRun({ provider: "alpha", mode: "incremental" });
      expect(mode).toBe("incremental");
      await ageSchedule(redis.client(), queue, fullId, Date.now() - 1_000);
      // Taken, and put back with its next one beside it.
      await until(async () => (await slotsOf(queue, fullId)).length === 2);
      const next = (await queue.getJobScheduler(fullId))!.next!;
      const [waits] = (await slotsOf(queue, fullId)).filter((slot) => !slot.endsWith(String(next)));
      // Another pod's look takes it for no double.
      await service(settings);
      work = async () => {};
      go();
      await until(async () => (await uee.engine.status()).providers[0]!.openRun === null);
      await (await queue.getJob(waits!))?.changeDelay(0);
      await until(async () => (await uee.engine.schedules())[1]!.lastOutcome === "opened");
      const [newest] = await uee.engine.runs({ provider: "alpha", limit: 10 });
      expect(newest).toMatchObject({ mode: "full" });
    } finally {
      work = async () => {};
    }
  });

  test("waits for the run of a provider that comes first, open or due, unless that one is paused", async () => {
    const betaId = "uee-beta-incremental";
    const beta = { ...idleProvider("beta", { batches: 1, takes: 0 }), after: ["alpha"] };
    await (await engine({}, [alpha, beta])).engine
      .startWorker({ schedules: true })
      .then((worker) => worker.stop());
    const slot = Date.now() - 60_000;
    await ageSchedule(redis.client(), queue, betaId, slot - 1_000);
    await ageSchedule(redis.client(), queue, id, slot);
    const known = JSON.parse((await redis.client().hget("{uee}:schedules", `slot:${id}`))!);
    await redis.client().hset("{uee}:schedules", `slot:${id}`, JSON.stringify({ ...known, next: slot }));
    let go = () => {};
    const held = new Promise<void>((resolve) => (go = resolve));
    work = () => held;
    const view = async (uee: TestEngine, name: string) =>
      (await uee.engine.schedules()).find((one) => one.provider === name && one.mode === "incremental")!;
    const again = async () => {
      for (const one of await slotsOf(queue, betaId)) {
        if (one !== `repeat:${betaId}:${(await queue.getJobScheduler(betaId))!.next}`)
          await (await queue.getJob(one))?.changeDelay(0).catch(() => undefined);
      }
    };
    try {
      const uee = await engine({}, [alpha, beta]);
      await uee.engine.startWorker({ schedules: true });
      await until(async () => (await view(uee, "alpha")).lastRunId !== null);
      // Taken before alpha's slot, and put back with its next one beside it; and again while alpha's run is open.
      await until(async () => (await slotsOf(queue, betaId)).length === 2);
      await again();
      const marker = await queue.add("run", { provider: "alpha", mode: "incremental" });
      await until(async () => (await marker.getState()) === "completed");
      expect((await view(uee, "beta")).last).toBeNull();
      go();
      await uee.engine.waitForRun("alpha", (await view(uee, "alpha")).lastRunId!, { pollMs: 20 });
      await until(async () => {
        await again();
        return (await view(uee, "beta")).lastOutcome === "opened";
      });
      const [run] = await uee.engine.runs({ provider: "beta", limit: 1 });
      const [first] = await uee.engine.runs({ provider: "alpha", limit: 1 });
      expect(Date.parse(run!.startedAt)).toBeGreaterThanOrEqual(Date.parse(first!.endedAt!));
    } finally {
      go();
      work = async () => {};
    }
  });

  test("of a provider that only another version knows is passed over, and nothing fails", async () => {
    const beta = idleProvider("beta", { batches: 1, takes: 0 });
    const older = await service();
    const newer = await engine({}, [alpha, beta]);
    await (await newer.engine.startWorker({ schedules: true })).stop();
    await ageSchedule(redis.client(), queue, "uee-beta-incremental", Date.now() - 1_000);
    await until(async () => (await queue.getCompletedCount()) + (await queue.getFailedCount()) > 0);
    expect(await queue.getFailedCount()).toBe(0);
    expect(await newer.engine.runs({ provider: "beta", limit: 1 })).toEqual([]);
    expect(await slotsOf(queue, "uee-beta-incremental")).toHaveLength(1);
    await older.worker.stop();
  });
});
