/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for) over a Redis that is out of memory in mid-run: nothing is
 * fetched while it lasts, the provider waits and says why, a person can still pause, no attempt is spent, and work goes on
 * by itself.
 */
import { expect, test } from "@jest/globals";
import { openTestEngine } from "../support/testEngine.ts";
import { duringTroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

const troubled = duringTroubledRun();

test("a run in mid-run outlasts a Redis out of memory", async () => {
  const { redis, run } = troubled;
  const admin = redis.client();
  await admin.config("SET", "maxmemory", "1");
  await run.everyoneKnows();
  const asked = run.requests();

  // What Redis is asked that frees, or must be possible, is possible.
  const uee = await openTestEngine(redis.url, run.settings);
  const machine = async () => (await uee.engine.status()).providers[0]!.machine;
  await until(async () => (await machine()).state === "WAITING_BACKOFF");
  expect((await machine()).reason).toMatch(/^SYS_REDIS_TROUBLE: .*OOM/);
  expect((await uee.engine.status()).redis.trouble).toMatch(/memory/);
  expect((await uee.engine.permits.show()).allocated).toBe(0);
  expect(await uee.engine.pause("cve", { actor: "test", reason: "while it is full" })).toMatchObject({
    state: "PAUSED",
  });

  await admin.config("SET", "maxmemory", "0");
  await until(() => run.said("redis_well").length === run.workers.length);
  // The pause holds.
  expect(await machine()).toMatchObject({ state: "PAUSED", reason: "while it is full" });
  expect(run.requests()).toBe(asked);
  await uee.engine.resume("cve", { actor: "test" });
  await uee.close();

  await run.end();
  expect(run.said("redis_trouble")).toHaveLength(run.workers.length);
  expect(run.workers.flatMap(({ logs }) => logs).filter(({ level }) => level >= 40).length).toBeLessThan(10);
});
