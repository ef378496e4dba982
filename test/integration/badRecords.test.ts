import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { BadRecords } from "../../src/recovery/deadLetters/badRecords.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

test("a bad record whose attempt was killed before its job was planned gets one from the next attempt", async () => {
  const records = new BadRecords(redis.client(), makeKeys("uee").provider("cve"));
  const bad = {
    deadLetterId: "r-1",
    id: "CVE-2026-1000",
    raw: "{}",
    code: "VAL_RECORD_FIELD",
    message: "references: not a list",
    fetchedAt: 1,
  };
  const run = { runId: "cve-1", batch: "p1/all/0000000", now: "2026-01-01T00:00:00.000Z" };
  expect([...(await records.keep([bad], run)).fresh]).toEqual(["r-1"]);
  // Killed here. The second attempt must not take the first one's notes for a job.
  expect([...(await records.keep([bad], run)).fresh]).toEqual(["r-1"]);
  await records.planned(run.runId, ["r-1"]);
  expect([...(await records.keep([bad], run)).fresh]).toEqual([]);
  // Its job was cancelled with that run, and it is no dead letter: the next run plans it again.
  expect([...(await records.keep([bad], { ...run, runId: "cve-2" })).fresh]).toEqual(["r-1"]);
});

test("every bad record of a run lies in the failed set, however many there are", async () => {
  const records = makeRecords(300).map((record, i) =>
    i % 50 === 0 ? { ...record, references: "none" } : record,
  );
  const listing = await startListing(records);
  const uee = await openTestEngine(redis.url, {
    prefix: "kept",
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  try {
    expect(await uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      deadLettered: 6,
      // Each bad record has a job of its own, which is no batch.
      batches: 1,
    });
    const { tag, queue } = makeKeys("kept").provider("cve");
    expect(await redis.client().zcard(`${tag}:${queue.name}:failed`)).toBe(6);
  } finally {
    await uee.close();
    await listing.close();
  }
});
