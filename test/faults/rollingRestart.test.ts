/**
 * Law 1 (nothing lost) and law 5 (every batch is accounted for): a fleet that is replaced worker by worker in mid-run, as a
 * deploy does, loses nothing, repeats nothing but what was in flight, and spends no attempt.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { jobFacts } from "../support/jobFacts.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

const FLEET = 3;
const BATCHES = 14;

let redis: TestRedis;
let listing: ListingServer;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(BATCHES * 2_000));
});
afterAll(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await listing.close();
  await redis.stop();
});

/** Batches that this worker began to fetch and did not commit: they went back. */
const wentBack = ({ steps }: WorkerProcess): string[] => {
  const done = new Set(
    steps.filter(({ step, phase }) => step === "checkpoint" && phase === "after").map(({ batch }) => batch),
  );
  const begun = steps.filter(({ step, phase }) => step === "fetch" && phase === "before");
  return begun.map(({ batch }) => batch).filter((batch) => !done.has(batch));
};

test("a fleet replaced worker by worker in mid-run loses and repeats nothing", async () => {
  const settings = testSettings({ providers: { cve: { url: listing.url, rate: "unlimited" } } });
  const start = async (): Promise<WorkerProcess> => {
    const worker = await startWorkerProcess({ url: redis.url, settings, logs: true });
    workers.push(worker);
    return worker;
  };
  // Four pages are answered at once, the others when the fleet has been replaced: the run cannot end before.
  let replaced = false;
  listing.intercept = async (url) => {
    if (Number(url.searchParams.get("startIndex")) >= 8_000) await until(() => replaced, 110_000);
    return false;
  };
  await Promise.all(Array.from({ length: FLEET }, start));
  const uee = await openTestEngine(redis.url, settings);
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });

  const old = [...workers];
  for (const worker of old) {
    // In mid-batch: it has fetched, or is about to.
    await until(() => wentBack(worker).length > 0);
    worker.kill("SIGTERM");
    await start();
    await worker.ended();
    expect({ code: worker.process.exitCode, signal: worker.process.signalCode }).toEqual({
      code: 0,
      signal: null,
    });
  }
  expect((await uee.engine.runProgress("cve", runId)).batchesDone).toBeLessThan(BATCHES);
  expect((await uee.engine.workers()).map(({ health }) => health)).toEqual(Array(FLEET).fill("live"));
  replaced = true;

  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 50 });
  expect(run).toMatchObject({ state: "complete", fetched: BATCHES * 2_000, deadLettered: 0, error: null });
  expect(await exported(uee.engine, "cve")).toEqual(new Map(listing.records.map((r) => [r.id, r])));

  await until(async () => (await uee.engine.status()).providers[0]!.jobs.active === 0);
  const jobs = await jobFacts(uee.redis.commands, settings.prefix, "cve");
  const batches = jobs.filter(({ name }) => name === "batch");
  expect(batches).toHaveLength(BATCHES);
  // Completing counts as one: no other attempt was spent, nothing stalled.
  expect(
    jobs.filter(({ state, made, stalled }) => state !== "completed" || made !== 1 || stalled > 0),
  ).toEqual([]);

  const back = old.flatMap(wentBack);
  expect(back.length).toBeGreaterThan(0);
  expect(back.length).toBeLessThanOrEqual(FLEET * settings.concurrency);
  expect(run.requests).toBeLessThanOrEqual(BATCHES + back.length);
  // Counted before it is sent: a batch that is called off in between has sent nothing.
  const arrived = listing.requests.length;
  expect(run.requests - arrived).toBeGreaterThanOrEqual(0);
  expect(run.requests - arrived).toBeLessThanOrEqual(back.length);
  expect((await uee.engine.permits.show()).allocated).toBe(0);
  await uee.close();
});
