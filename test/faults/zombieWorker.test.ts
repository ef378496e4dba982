/**
 * Law 2: nothing stale. A worker that slept past its lock (SIGSTOP, then SIGCONT) neither overwrites nor resurrects
 * anything, whatever happened meanwhile: its batch was done by another, the run was closed, a newer run changed the store.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let zombie: WorkerProcess | undefined;
let count = 0;
let settings: ReturnType<typeof testSettings>;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  listing = await startListing(makeRecords(2500));
  settings = testSettings({
    prefix: `z${count++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  uee = await openTestEngine(redis.url, settings);
});
afterEach(async () => {
  zombie?.kill("SIGKILL");
  await uee.close();
  await listing.close();
});

describe("a worker that slept", () => {
  test.each([
    { step: "commit", phase: "before", nth: 1 },
    { step: "checkpoint", phase: "before", nth: 1 },
    { step: "settle", phase: "before", nth: 1 },
  ] as const)("$phase step $step harms nothing when it wakes after another run", async (stopAt) => {
    zombie = await startWorkerProcess({ url: redis.url, settings, stopAt });
    const asleep = zombie.reached(stopAt.step, stopAt.phase);
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await asleep;
    // Others take over once the sleeper's lock has expired, and finish the run.
    await uee.engine.startWorker();
    expect(await uee.engine.waitForRun("cve", runId, { pollMs: 50 })).toMatchObject({ state: "complete" });
    // The upstream moves on: what the sleeper holds is old, and one of its records is gone.
    const now = new Date().toISOString().slice(0, -1);
    listing.records[3] = { ...listing.records[3]!, lastModified: now, descriptions: [{ value: "newer" }] };
    listing.records[4] = { ...listing.records[4]!, descriptions: [{ value: "silently newer" }] };
    listing.records.splice(5, 1);
    const second = await uee.engine.openRun({ provider: "cve", mode: "full" });
    expect(await uee.engine.waitForRun("cve", second.runId, { pollMs: 50 })).toMatchObject({
      state: "complete",
      updated: 2,
      removed: 1,
    });

    const awake = zombie.reached("settle", "after");
    zombie.kill("SIGCONT");
    await awake;
    expect(await exported(uee.engine, "cve")).toEqual(new Map(listing.records.map((r) => [r.id, r])));
    expect(await uee.engine.runProgress("cve", runId)).toMatchObject({ state: "complete", created: 2500 });
    expect(await uee.engine.deadLetters.count("cve")).toBe(0);
  });
});
