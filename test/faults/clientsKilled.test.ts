/**
 * Law 1 (nothing lost) and law 3 (the checkpoint never passes an uncommitted record) while every connection to Redis is
 * killed again and again: each command under way may or may not have run.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { duringTroubledRun } from "../support/troubledRun.ts";

const troubled = duringTroubledRun();

test("a run completes although all of its connections are killed every moment", async () => {
  const { redis, run } = troubled;
  const admin = redis.client();
  let killed = 0;
  const requests = run.requests();
  for (let round = 0; round < 30; round++) {
    killed += Number(await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"));
    await sleep(50 + Math.random() * 250);
  }
  expect(killed).toBeGreaterThan(30);
  expect(run.requests()).toBeGreaterThanOrEqual(requests);
  await run.end();
});
