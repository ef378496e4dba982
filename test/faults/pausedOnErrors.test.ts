/**
 * Law 8 and requirement 14: a provider whose records fail in numbers is paused and says why; it stays paused through
 * restarts and requests for a run; once its upstream is mended and a person resumes, it completes.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Queue, QueueEvents } from "bullmq";
import { answer, type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";
import { startWorkerProcess } from "../support/workers.ts";

/** A promise, and what fulfils it. */
function latch(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

let redis: TestRedis;
let listing: ListingServer;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  listing = await startListing(makeRecords(9000));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});

test("a run over 15 % bad records pauses, stays paused, and completes once mended and resumed", async () => {
  const good = listing.records.map((record) => ({ ...record }));
  listing.records.forEach((record, i) => {
    if (i % 20 < 3) record.references = "none";
  });
  const settings = testSettings({ providers: { cve: { url: listing.url, rate: "unlimited" } } });
  const worker = await startWorkerProcess({ url: redis.url, settings });
  let uee = await openTestEngine(redis.url, settings);
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  const paused = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  expect(paused).toMatchObject({ state: "paused", error: { code: "PROV_ERROR_RATE" } });
  expect(paused.error?.message).toMatch(/VAL_RECORD_FIELD ×\d+.*CVE-2025-\d+/);

  // Every process restarts, Redis too; a schedule and a script would open runs.
  worker.kill("SIGKILL");
  await worker.ended();
  await uee.close();
  await redis.restart();
  uee = await openTestEngine(redis.url, settings);
  const second = await uee.engine.startWorker();
  await expect(uee.engine.openRun({ provider: "cve", mode: "incremental" })).rejects.toMatchObject({
    code: "PROV_PAUSED",
  });
  const connection = { url: redis.url, maxRetriesPerRequest: null };
  const queue = new Queue("runs", { prefix: "{uee}", connection });
  const events = new QueueEvents("runs", { prefix: "{uee}", connection });
  await events.waitUntilReady();
  const job = await queue.add("run", { provider: "cve", mode: "incremental" });
  await expect(job.waitUntilFinished(events, 60_000)).rejects.toThrow("PROV_PAUSED");
  await events.close();
  await queue.close();
  const asked = listing.requests.length;
  expect((await uee.engine.status()).providers[0]?.machine).toMatchObject({ state: "PAUSED" });

  listing.records = good;
  expect(await uee.engine.resume("cve", { actor: "test", reason: "mended" })).toMatchObject({
    state: "ACQUIRING",
  });
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  expect(listing.requests.length).toBeGreaterThan(asked);
  expect(run).toMatchObject({ state: "complete", fetched: 9000, deadLettered: 0, error: null });
  expect(await exported(uee.engine, "cve")).toEqual(new Map(good.map((r) => [r.id, r])));
  const told = await uee.engine.history({ provider: "cve", limit: 20 });
  expect(told.map(({ what }) => what)).toEqual(
    expect.arrayContaining(["RUNNING → PAUSED", "PAUSED → ACQUIRING"]),
  );
  await second.stop();
  await uee.close();
});

test("what was received before a resume does not pause the provider once more", async () => {
  const records = makeRecords(9000);
  const bad = records.map((record, i) =>
    i >= 2000 && i % 4 === 0 ? { ...record, references: "none" } : record,
  );
  const upstream = await startListing(bad);
  const settings = testSettings({
    concurrency: 8,
    providers: { cve: { url: upstream.url, rate: "unlimited" } },
  });
  const quick = await startRedis({});
  const uee = await openTestEngine(quick.url, settings);
  try {
    // The second page counts once the third one is asked for; that is on its way until the provider is resumed.
    const asked = latch();
    const resumed = latch();
    upstream.intercept = async (url, response) => {
      const start = Number(url.searchParams.get("startIndex"));
      const here = upstream.records;
      if (start === 4000) asked.resolve();
      if (start === 2000) await asked.promise;
      if (start > 2000) await resumed.promise;
      answer(here, url, response);
      return true;
    };
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    const worker = await uee.engine.startWorker();
    expect(await uee.engine.waitForRun("cve", runId, { pollMs: 5 })).toMatchObject({ state: "paused" });
    upstream.records = records;
    await uee.engine.resume("cve", { actor: "test", reason: "mended" });
    resumed.resolve();
    expect(await uee.engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({
      state: "complete",
      fetched: 9000,
      deadLettered: 0,
    });
    const told = await uee.engine.history({ provider: "cve", limit: 50 });
    expect(told.filter(({ what }) => what.endsWith("→ PAUSED"))).toHaveLength(1);
    await worker.stop();
  } finally {
    await uee.close();
    await quick.stop();
    await upstream.close();
  }
});
