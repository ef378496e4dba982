/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for) over a Redis that is gone for 30 s in mid-run and comes
 * back from its append-only file: the run completes by itself, no attempt is spent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";

let redis: TestRedis;
let run: TroubledRun;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  run = await startTroubledRun({ redis });
});
afterAll(async () => {
  await run?.close();
  await redis.stop();
});

test("a run in mid-run outlasts a Redis that is gone for 30 s", async () => {
  await redis.kill("SIGKILL");
  await sleep(2_000);
  const asked = run.requests();
  // The promise is about this very time.
  await sleep(28_000);
  expect(run.requests()).toBe(asked);
  await redis.restart();
  await run.end();
  const warnings = run.workers.flatMap(({ logs }) => logs).filter(({ level }) => level >= 40);
  expect(warnings.length).toBeLessThan(10);
});
