/** Law 1 (nothing lost) while Redis is made to forget its scripts again and again. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { duringTroubledRun } from "../support/troubledRun.ts";

const troubled = duringTroubledRun();

test("a run completes although Redis forgets its scripts every few milliseconds", async () => {
  const { redis, run } = troubled;
  const admin = redis.client();
  const over = new AbortController();
  let flushed = 0;
  const flushing = (async () => {
    while (!over.signal.aborted) {
      await admin.script("FLUSH");
      flushed++;
      await sleep(2);
    }
  })();
  try {
    await run.end();
  } finally {
    over.abort();
    await flushing;
  }
  expect(flushed).toBeGreaterThan(100);
  expect(run.said("redis_trouble")).toEqual([]);
});
