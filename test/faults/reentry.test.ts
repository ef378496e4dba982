/**
 * Law 2 (nothing stale) and law 5 (every batch is accounted for): a batch whose lock was lost and which comes back to the
 * same process runs there once at a time, and however often it stalls it never becomes a dead letter.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type Job, Worker } from "bullmq";
import { makeLogger } from "../../src/core/logger.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type IdleOptions, idleProvider } from "../support/idleProvider.ts";
import { jobFacts } from "../support/jobFacts.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let uee: TestEngine;
let prefix: string;
let count = 0;
let lines: { event: string }[];
let running: number;
let most: number;
let executions: number;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(() => {
  prefix = `e${count++}`;
  lines = [];
  running = 0;
  most = 0;
  executions = 0;
});
afterEach(() => uee.close());

/** An engine with one batch to do; `takes` is its nth execution, counted from 1. */
async function engineOf(takes: (execution: number, signal: AbortSignal) => Promise<void>): Promise<void> {
  const counted: IdleOptions["takes"] = async (_batch, signal) => {
    most = Math.max(most, ++running);
    try {
      await takes(++executions, signal);
    } finally {
      running--;
    }
  };
  const logger = makeLogger({ destination: { write: (line: string) => void lines.push(JSON.parse(line)) } });
  const providers = [idleProvider("idle", { batches: 1, takes: counted })];
  uee = await openTestEngine(redis.url, { prefix }, { providers, logger });
}

const queue = () => makeKeys(prefix).provider("idle").queue;
const key = (...parts: string[]) => [queue().prefix, queue().name, ...parts].join(":");
const refusals = () => lines.filter(({ event }) => event === "batch_reentry").length;
const onlyJob = async () =>
  (await jobFacts(uee.redis.commands, prefix, "idle")).find(({ name }) => name === "batch")!;
const lockLeft = async () => await uee.redis.commands.pttl(key((await activeId())!, "lock"));
const activeId = async () => (await uee.redis.commands.lrange(key("active"), 0, -1))[0];

/** Resolves when the lock of the batch was renewed. */
async function renewed(): Promise<void> {
  let left = await lockLeft();
  await until(async () => {
    const before = left;
    left = await lockLeft();
    return left > before;
  });
}

async function completesWithoutAttempt(runId: string): Promise<void> {
  expect(await uee.engine.waitForRun("idle", runId, { pollMs: 25 })).toMatchObject({
    state: "complete",
    created: 1,
  });
  await until(async () => (await onlyJob()).state === "completed");
  // Completing counts as one.
  expect(await onlyJob()).toMatchObject({ made: 1 });
  expect(await uee.engine.deadLetters.count("idle")).toBe(0);
}

describe("a batch that comes back to the process where its first copy still runs", () => {
  test("is refused until that has settled, then runs once more, and keeps its lock", async () => {
    let letGo: (() => void) | undefined;
    let told = "";
    await engineOf(async (execution, signal) => {
      signal.addEventListener("abort", () => {
        told = (signal.reason as Error).message;
      });
      // The first copy ignores its signal. The last one runs longer than a lock that is not renewed.
      if (execution > 1) return await renewed();
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
    });
    await uee.engine.startWorker();
    const { runId } = await uee.engine.openRun({ provider: "idle", mode: "full" });
    await until(() => letGo !== undefined);
    await uee.redis.commands.del(key((await activeId())!, "lock"));
    await until(() => refusals() >= 2);
    expect({ executions, told }).toEqual({ executions: 1, told: expect.stringContaining("RPC_LOCK_LOST") });
    letGo?.();
    await completesWithoutAttempt(runId);
    expect({ executions, most }).toEqual({ executions: 2, most: 1 });
    expect((await onlyJob()).stalled).toBe(1);
  });

  test("because the process was too busy to renew its lock runs once at a time as well", async () => {
    await engineOf(async (execution) => {
      if (execution > 1) return;
      // Marked by a stalled check already: once its lock is gone the next check takes it back.
      await until(async () => (await uee.redis.commands.scard(key("stalled"))) > 0);
      await uee.redis.commands.pexpire(key((await activeId())!, "lock"), 100);
      const end = performance.now() + 500;
      while (performance.now() < end);
      await until(() => refusals() > 0);
    });
    await uee.engine.startWorker();
    const { runId } = await uee.engine.openRun({ provider: "idle", mode: "full" });
    await completesWithoutAttempt(runId);
    expect(most).toBe(1);
  });
});

test("a batch that has stalled a thousand times is as healthy as any", async () => {
  await engineOf(async () => undefined);
  const { runId } = await uee.engine.openRun({ provider: "idle", mode: "full" });
  // A worker takes the batch and never answers again.
  const dead = new Worker(queue().name, null, {
    connection: uee.redis.open("blocking", "{uee}"),
    prefix: queue().prefix,
    autorun: false,
    lockDuration: 500,
    maxStalledCount: 1_000_000,
  });
  const job = (await dead.getNextJob("a-token")) as Job;
  await uee.redis.commands.hset(key(job.id!), "stc", 1_000);
  await uee.engine.startWorker();
  await completesWithoutAttempt(runId);
  expect((await onlyJob()).stalled).toBe(1_001);
  await dead.close(true);
});
