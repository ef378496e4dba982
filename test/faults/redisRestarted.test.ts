/** Law 1 over a Redis that is killed in the middle of a run and comes back from its append-only file. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";
import { startWorkerProcess } from "../support/workers.ts";

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

test("a run goes on by itself after Redis was killed in mid-run and is back, and loses nothing", async () => {
  const settings = testSettings({ providers: { cve: { url: listing.url, rate: "unlimited" } } });
  const worker = await startWorkerProcess({ url: redis.url, settings });
  let uee = await openTestEngine(redis.url, settings);
  const second = worker.reached("checkpoint", "after").then(() => worker.reached("commit", "before"));
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  await second;
  await uee.close();
  await redis.restart();
  uee = await openTestEngine(redis.url, settings);
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 50, signal: AbortSignal.timeout(90_000) });
  expect(run).toMatchObject({ state: "complete", fetched: 9000, deadLettered: 0 });
  expect(await exported(uee.engine, "cve")).toEqual(new Map(listing.records.map((r) => [r.id, r])));
  worker.kill("SIGTERM");
  await worker.ended();
  await uee.close();
});
