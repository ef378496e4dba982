/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for) over a Redis that is gone for 30 s in mid-run and comes
 * back from its append-only file: the run completes by itself, no attempt is spent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { duringTroubledRun } from "../support/troubledRun.ts";

const troubled = duringTroubledRun();

test("a run in mid-run outlasts a Redis that is gone for 30 s", async () => {
  const { redis, run } = troubled;
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
