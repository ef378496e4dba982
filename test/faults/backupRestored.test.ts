/**
 * Laws 1 and 2 over a Redis that is restored from an old backup: the next increment brings everything that changed since,
 * removed records do not come back to stay, and a client that followed the lost history gets an error, not a gap.
 */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine } from "../support/testEngine.ts";

jest.setTimeout(60_000);

let redis: TestRedis;
let listing: ListingServer;

beforeAll(async () => {
  redis = await startRedis();
  listing = await startListing(makeRecords(3_000));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});

const open = () => openTestEngine(redis.url, { providers: { cve: { url: listing.url, rate: "unlimited" } } });

const upstream = () => new Map(listing.records.map((record) => [record.id, record]));

test("a store restored from an old backup catches up by itself, and followers learn that history was replaced", async () => {
  let uee = await open();
  expect(await uee.run("cve", "full")).toMatchObject({ state: "complete" });
  await redis.client().save();
  await copyFile(join(redis.dir, "dump.rdb"), join(redis.dir, "backup.rdb"));

  // After the backup: some change, some come, some go, and the mirror follows.
  const now = () => new Date().toISOString().slice(0, -1);
  for (const record of listing.records.slice(0, 40)) Object.assign(record, { lastModified: now(), moved: 1 });
  listing.records.push(...makeRecords(7, 900_000).map((record) => ({ ...record, lastModified: now() })));
  expect(await uee.run("cve")).toMatchObject({ state: "complete", created: 7, updated: 40 });
  listing.records.splice(100, 5);
  expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", removed: 5 });
  let cursor = "";
  for await (const change of uee.engine.records.changes({})) cursor = change.cursor;
  await uee.close();

  await redis.kill("SIGKILL");
  await copyFile(join(redis.dir, "backup.rdb"), join(redis.dir, "dump.rdb"));
  await redis.restart();

  uee = await open();
  const increment = await uee.run("cve");
  expect(increment).toMatchObject({ state: "complete", created: 7, updated: 40 });
  const read = async () => {
    for await (const _change of uee.engine.records.changes({ since: cursor }));
  };
  await expect(read()).rejects.toMatchObject({ code: "STOR_CURSOR_INVALID" });
  expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", removed: 5 });
  expect(await exported(uee.engine, "cve")).toEqual(upstream());
  await uee.close();
  await rm(join(redis.dir, "backup.rdb"), { force: true });
});
