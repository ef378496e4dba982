/** What workers measure is told by the worker that did it, also where several work in one process. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { type Keys, makeKeys } from "../../../src/redis/keys.ts";
import { idleProvider } from "../../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../../support/testEngine.ts";

const BATCHES = 6;

let redis: TestRedis;
let uee: TestEngine;
let keys: Keys;
let count = 0;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  const prefix = `own${count++}`;
  keys = makeKeys(prefix);
  const providers = ["alpha", "beta"].map((name) => idleProvider(name, { batches: BATCHES, takes: 1 }));
  uee = await openTestEngine(redis.url, { prefix }, { providers });
});
afterEach(() => uee.close());

const samples = async (): Promise<number> =>
  Number((await uee.redis.commands.hget(keys.fleetCounts, "samples")) ?? 0);

async function workOff(provider: string): Promise<void> {
  const { runId } = await uee.engine.openRun({ provider, mode: "full" });
  await uee.engine.waitForRun(provider, runId, { pollMs: 20 });
}

test("a worker of one provider tells the permits of that provider, whichever provider comes first", async () => {
  const worker = await uee.engine.startWorker({ providers: ["beta"] });
  await workOff("beta");
  await worker.stop();
  // Fence and checkpoint of every batch, and at least one call for its permit.
  expect(await samples()).toBeGreaterThanOrEqual(3 * BATCHES);
});

test("a worker that leaves its process takes nothing away from the others there", async () => {
  const first = await uee.engine.startWorker();
  const second = await uee.engine.startWorker();
  await second.stop();
  const before = await samples();
  await workOff("alpha");
  await first.stop();
  expect((await samples()) - before).toBeGreaterThanOrEqual(3 * BATCHES);
});
