import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { Runs } from "../../src/runs/runs.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let runs: Runs;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  listing = await startListing(makeRecords(20));
  await redis.client().flushall();
  uee = await openTestEngine(redis.url, { providers: { cve: { url: listing.url, rate: "unlimited" } } });
  runs = new Runs(uee.redis.commands, makeKeys("uee").provider("cve"));
});
afterEach(async () => {
  await uee.close();
  await listing.close();
});

test("old runs are forgotten, but none that a dead letter refers to", async () => {
  listing.records[3] = { ...listing.records[3]!, references: "none" };
  const bad = await uee.run("cve");
  const ended = [await uee.run("cve"), await uee.run("cve"), await uee.run("cve")];
  await runs.trimHistory({ ordinary: 2, replays: 0 });
  const kept = await runs.recentRunIds(10);
  expect(kept).toEqual([ended[2]!.runId, ended[1]!.runId, bad.runId]);
  expect(await redis.client().keys(`*${ended[0]!.runId}*`)).toEqual([]);
});

test("a closed run leaves no bookkeeping and no staged slices behind", async () => {
  const { runId } = await uee.run("cve");
  const left = await redis.client().keys(`*:run:${runId}:*`);
  expect(left.map((key) => key.split(":").at(-1)).sort()).toEqual(["batches", "order", "results", "status"]);
});

test("the checkpoint never passes an uncommitted batch, however batches finish", async () => {
  listing.records = makeRecords(9000);
  // The second slice is refused while the others come through.
  listing.intercept = (url, response) => {
    if (url.searchParams.get("startIndex") !== "2000") return false;
    response.writeHead(503).end();
    return true;
  };
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
  const worker = await uee.engine.startWorker();
  const others = new AbortController();
  let progress = await uee.engine.runProgress("cve", runId);
  await uee.engine
    .waitForRun("cve", runId, {
      pollMs: 20,
      signal: others.signal,
      onProgress: (now) => {
        progress = now;
        if (now.batchesDone === 4) others.abort();
      },
    })
    .catch(() => undefined);
  expect(progress.checkpoint).toBe(`v2e::nvd::cve::${listing.records[1999]!.id}`);
  expect(progress.waiting?.reason ?? "PROV_OVERLOADED").toContain("PROV_OVERLOADED");
  listing.intercept = () => false;
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  expect(run.checkpoint).toBe(`v2e::nvd::cve::${listing.records[8999]!.id}`);
  expect(await uee.engine.checkpoints("cve", { limit: 10 })).toHaveLength(5);
  await worker.stop();
});
