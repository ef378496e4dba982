/** Heartbeats as the fleet sees them: who lives, who is late, who is dead, and what each measured. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { WorkerHandle, WorkerView } from "../../src/engine/api.ts";
import { QueueWorker } from "../../src/queues/consumer.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let uee: TestEngine;
let handle: WorkerHandle;
let count = 0;
let prefix: string;
let letGo: () => void;
/** The batch has begun; it ends when it is let go. */
let atWork: boolean;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  prefix = `h${count++}`;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  atWork = false;
  const takes = (): Promise<void> => {
    atWork = true;
    return held;
  };
  const slow = idleProvider("slow", { batches: 1, takes });
  uee = await openTestEngine(redis.url, { prefix }, { providers: [slow] });
  handle = await uee.engine.startWorker();
});
afterEach(async () => {
  letGo();
  await uee.close();
});

const mine = async (): Promise<WorkerView> =>
  (await uee.engine.workers()).find(({ id }) => id === handle.id)!;

/** Ages the worker's heartbeat by so much. */
async function age(ms: number): Promise<void> {
  const keys = makeKeys(prefix);
  const { commands } = uee.redis;
  const beat = Number(await commands.hget(keys.workerBeats, handle.id));
  await commands.hset(keys.workerBeats, handle.id, beat - ms);
  await commands.zincrby(keys.workers, -ms, handle.id);
}

describe("a worker", () => {
  test("publishes what it measured of itself, and is known as live", async () => {
    await until(async () => (await mine()).state === "ready");
    expect(await mine()).toMatchObject({
      pid: process.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      health: "live",
      missedBeats: 0,
      vitals: {
        responseMs: expect.any(Number),
        loopDelayP99Ms: expect.any(Number),
        loopDelayMaxMs: expect.any(Number),
        activeBatches: 0,
        rssBytes: expect.any(Number),
        lastFetchAgeMs: expect.any(Number),
      },
    });
    expect((await mine()).vitals!.rssBytes).toBeGreaterThan(10_000_000);
    expect(handle.report()).toEqual({ state: "ready", live: true, ready: true, reasons: [] });
    expect((await uee.engine.status()).workers).toHaveLength(1);
  });

  test("measures every 10 s, and then reports the batch that it works on", async () => {
    await uee.engine.openRun({ provider: "slow", mode: "full" });
    const { lastBeatAt } = await mine();
    await until(async () => (await mine()).vitals?.activeBatches === 1);
    const next = await mine();
    expect(Date.parse(next.lastBeatAt) - Date.parse(lastBeatAt)).toBeGreaterThan(5_000);
  });

  test("whose heartbeats are missing is late, then dead; one that beats again is live again", async () => {
    await until(async () => (await mine()).state === "ready");
    const { engine } = uee;
    await age(14_000);
    expect(await mine()).toMatchObject({ health: "late", missedBeats: 1 });
    expect(await engine.liveWorkers()).toEqual([]);
    await age(20_000);
    expect(await mine()).toMatchObject({ health: "dead", missedBeats: 3 });
    await until(async () => (await mine()).health === "live");
    expect(await engine.liveWorkers()).toHaveLength(1);
  });

  test("that stops says so while it does, and is withdrawn when it has", async () => {
    await uee.engine.openRun({ provider: "slow", mode: "full" });
    await until(() => atWork);
    // Its batch does not heed the signal: it lets go when the test says so.
    const stopped = handle.stop();
    expect(handle.report()).toMatchObject({ state: "stopping", ready: false, live: true });
    await until(async () => (await mine()).state === "stopping");
    letGo();
    expect(await stopped).toEqual({ left: [] });
    expect(await uee.engine.workers()).toEqual([]);
    const keys = makeKeys(prefix);
    for (const key of [keys.workers, keys.workerFacts, keys.workerBeats]) {
      expect(await uee.redis.commands.exists(key)).toBe(0);
    }
  });

  test("is not ready while Redis is away, yet needs no new process for that", async () => {
    await until(() => handle.report().ready);
    await redis.kill("SIGSTOP");
    try {
      await until(() => handle.report().reasons.includes("Redis does not answer"));
      expect(handle.report()).toMatchObject({ state: "ready", live: true, ready: false });
    } finally {
      await redis.kill("SIGCONT");
    }
    await until(() => handle.report().ready);
  });
});

describe("the age of a queue's last fetch", () => {
  test("stays low while the loop asks, grows when it no longer does, and is none without a free slot", async () => {
    let free = (): void => undefined;
    const worker = new QueueWorker(
      "q",
      () =>
        new Promise<void>((resolve) => {
          free = resolve;
        }),
      {
        connection: uee.redis.open("blocking", "{uee}"),
        prefix: `{${prefix}}`,
        drainDelay: 0.1,
        concurrency: 1,
      },
    );
    await worker.waitUntilReady();
    let asked = 0;
    const { backend } = worker;
    const wait = backend.waitForJob.bind(backend);
    backend.waitForJob = (timeout) => {
      asked++;
      return wait(timeout);
    };
    await until(() => asked > 5);
    expect(worker.fetchAgeMs()).toBeLessThan(5_000);

    // As after a failover that left the blocking client behind: the loop waits for what never comes.
    backend.waitForJob = () => new Promise(() => undefined);
    await until(() => worker.fetchAgeMs() > 1_000);
    expect(worker.isRunning()).toBe(true);

    const busy = worker.occupying(
      () =>
        new Promise<void>((resolve) => {
          free = resolve;
        }),
    );
    expect(worker.fetchAgeMs()).toBe(0);
    free();
    await busy;
    expect(worker.fetchAgeMs()).toBeLessThan(1_000);
    void worker.close(true);
  });
});
