/**
 * Law 8: a pause stands through slots of every schedule and restarts of every process, Redis included. Slots that come
 * due meanwhile open no run, end no pause and leave no failed job; after a person resumes, the next slot works again.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Queue } from "bullmq";
import { cve } from "../../src/providers/cve/cve.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { ageSchedule, runsQueueOf, slotsOf } from "../support/schedules.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

const ids = ["uee-cve-incremental", "uee-cve-full"];

let redis: TestRedis;
let listing: ListingServer;
let queue: Queue;
let uee: TestEngine;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  listing = await startListing(makeRecords(30));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});
beforeEach(async () => {
  await redis.client().flushall();
  listing.requests.length = 0;
  queue = runsQueueOf(redis.url);
  uee = await start();
});
afterEach(async () => {
  await uee.close();
  await queue.close();
});

/** A worker of cve alone that keeps the schedules. */
async function start(): Promise<TestEngine> {
  const opened = await openTestEngine(
    redis.url,
    { providers: { cve: { url: listing.url, rate: "unlimited" } } },
    { providers: [cve] },
  );
  await opened.engine.startWorker({ schedules: true });
  return opened;
}

async function allSlotsComeDue(): Promise<void> {
  for (const id of ids) await ageSchedule(redis.client(), queue, id, Date.now() - 86_400_000);
}

const outcomes = async () => (await uee.engine.schedules()).map(({ lastOutcome }) => lastOutcome);
const machine = async () => (await uee.engine.status()).providers[0]!.machine;

test("of an idle provider: nothing is opened, asked or failed, and the pause keeps its author", async () => {
  await uee.engine.pause("cve", { actor: "ann", reason: "not yet" });
  await allSlotsComeDue();
  await until(async () => (await outcomes()).every((outcome) => outcome === "paused"));

  await uee.close();
  await redis.restart();
  await allSlotsComeDue();
  await redis.client().hdel("{uee}:schedules", ...ids.map((id) => `last:${id}`));
  uee = await start();
  await until(async () => (await outcomes()).every((outcome) => outcome === "paused"));

  expect(await machine()).toMatchObject({ state: "PAUSED", actor: "ann", reason: "not yet" });
  expect(await uee.engine.runs({ provider: "cve", limit: 10 })).toEqual([]);
  expect(listing.requests).toEqual([]);
  expect(await queue.getFailedCount()).toBe(0);
  for (const id of ids) expect(await slotsOf(queue, id)).toHaveLength(1);

  await uee.engine.resume("cve", { actor: "ann" });
  await allSlotsComeDue();
  await until(async () => (await outcomes()).some((outcome) => outcome === "opened"));
  await until(async () => (await uee.engine.status()).providers[0]!.verified);
});

test("of a provider whose run is open: the run stands still, whatever comes due", async () => {
  // The first page waits until the person has paused.
  let paused = false;
  listing.intercept = async () => {
    await until(() => paused);
    return false;
  };
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => listing.requests.length > 0);
  await uee.engine.pause("cve", { actor: "ann" });
  paused = true;
  await until(async () => (await uee.engine.status()).providers[0]!.jobs.active === 0);
  const asked = listing.requests.length;
  // What was at its commit may have gone through.
  const { fetched } = await uee.engine.runProgress("cve", runId);
  await allSlotsComeDue();
  await until(async () => (await outcomes()).every((outcome) => outcome === "paused"));

  await uee.close();
  await redis.restart();
  await allSlotsComeDue();
  await redis.client().hdel("{uee}:schedules", ...ids.map((id) => `last:${id}`));
  uee = await start();
  await until(async () => (await outcomes()).every((outcome) => outcome === "paused"));

  expect(await machine()).toMatchObject({ state: "PAUSED", actor: "ann" });
  expect(await uee.engine.runProgress("cve", runId)).toMatchObject({ state: "paused", fetched });
  expect(listing.requests).toHaveLength(asked);
  expect(await queue.getFailedCount()).toBe(0);

  await uee.engine.resume("cve");
  expect(await uee.engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({
    state: "complete",
    fetched: 30,
  });
});

test("a full run that waits for an increment to end lets go of its slot when the provider is paused", async () => {
  await uee.run("cve", "full");
  let held = true;
  listing.intercept = async () => {
    await until(() => !held);
    return false;
  };
  await uee.engine.openRun({ provider: "cve", mode: "incremental" });
  await ageSchedule(redis.client(), queue, "uee-cve-full", Date.now() - 1_000);
  await until(async () => (await slotsOf(queue, "uee-cve-full")).length === 2);
  await uee.engine.pause("cve");
  held = false;
  const jobs = await Promise.all((await slotsOf(queue, "uee-cve-full")).map((id) => queue.getJob(id)));
  await jobs.find((job) => (job?.attemptsStarted ?? 0) > 0)?.changeDelay(0);
  await until(async () => (await outcomes())[1] === "paused");
  expect(await queue.getFailedCount()).toBe(0);
  expect(await uee.engine.runs({ provider: "cve", limit: 10 })).toHaveLength(2);
});
