/**
 * Law 1 (nothing lost): a worker that is killed on another machine, where its process cannot be seen, has its batches
 * run again within 20 s; and one that was stopped cleanly leaves nothing to wait for.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { EngineSettings } from "../../src/engine.ts";
import { jobFacts } from "../support/jobFacts.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

/** What the contract gives, ms. */
const RERUN_MS = 20_000;
const FIRST_BATCH_MS = 1_000;
const RECORDS = 4_500;

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let settings: EngineSettings;
let workers: WorkerProcess[];
let count = 0;
/** Answers of the upstream that are held back. */
let held: (() => void)[];
let holding: boolean;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  workers = [];
  held = [];
  holding = true;
  listing = await startListing(makeRecords(RECORDS));
  listing.intercept = async () => {
    if (holding) await new Promise<void>((resolve) => held.push(resolve));
    return false;
  };
  settings = testSettings({
    prefix: `k${count++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  uee = await openTestEngine(redis.url, settings);
});
afterEach(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all(workers.map((worker) => worker.ended()));
  await uee.close();
  await listing.close();
});

async function start(host?: string): Promise<WorkerProcess> {
  const worker = await startWorkerProcess({
    url: redis.url,
    settings,
    ...(host === undefined ? {} : { host }),
  });
  workers.push(worker);
  return worker;
}

const begun = ({ steps }: WorkerProcess) =>
  steps.filter(({ step, phase }) => step === "fetch" && phase === "before");

async function completes(runId: string): Promise<void> {
  holding = false;
  for (const answer of held) answer();
  expect(await uee.engine.waitForRun("cve", runId, { pollMs: 25 })).toMatchObject({
    state: "complete",
    fetched: RECORDS,
    deadLettered: 0,
  });
  await until(async () => (await uee.engine.status()).providers[0]!.jobs.active === 0);
  const jobs = await jobFacts(uee.redis.commands, settings.prefix, "cve");
  expect(jobs.filter(({ state, made }) => state !== "completed" || made !== 1)).toEqual([]);
}

test("the batch of a worker killed on another machine runs again within 20 s", async () => {
  const victim = await start("far-away");
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => held.length > 0);
  const survivor = await start();
  expect((await uee.engine.workers()).map(({ host }) => host)).toContain("far-away");
  victim.kill("SIGKILL");
  const killedAt = Date.now();
  await until(() => begun(survivor).length > 0);
  const [first] = begun(survivor);
  expect(first!.batch).toBe(begun(victim)[0]!.batch);
  expect(first!.at - killedAt).toBeLessThan(RERUN_MS);
  // By the end of its lock: from here its death cannot be seen.
  const dead = (await uee.engine.workers()).find(({ id }) => id === victim.id)!;
  expect(dead.health).not.toBe("dead");
  await completes(runId);
});

test("a worker takes its first batch within a second of being ready, after the others have stopped", async () => {
  const first = await start();
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => held.length > 0);
  first.kill("SIGTERM");
  await first.ended();
  expect(first.process.exitCode).toBe(0);
  const second = await start();
  await until(() => begun(second).length > 0);
  expect(begun(second)[0]!.batch).toBe(begun(first)[0]!.batch);
  expect(begun(second)[0]!.at - second.readyAt).toBeLessThan(FIRST_BATCH_MS);
  await completes(runId);
});
