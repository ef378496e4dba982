/** A fleet on a store of schema version 1: workers migrate it, runs wait meanwhile, readers go on. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { WorkerRegistry } from "../../src/recovery/workerRegistry.ts";
import { makeKeys, type ProviderKeys, SCHEMA_VERSION } from "../../src/redis/keys.ts";
import { thisProcess } from "../../src/runs/processIdentity.ts";
import { writeLayout1 } from "../support/layout1.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let server: TestRedis;
let redis: Redis;
let listing: ListingServer;
let uee: TestEngine;
let prefix: string;
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

beforeEach(async () => {
  prefix = `old${stores++}`;
  listing = await startListing(makeRecords(60));
  uee = await openTestEngine(server.url, {
    prefix,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  await uee.run("cve", "full");
  await toLayout1(makeKeys(prefix).provider("cve"));
});
afterEach(async () => {
  await uee.close();
  await listing.close();
});

/** The store as version 1 would have left it. */
async function toLayout1(keys: ProviderKeys): Promise<void> {
  const records = [];
  for await (const record of uee.engine.records.export("cve", {})) records.push(record);
  for await (const page of redis.scanStream({ match: `${keys.tag}:[ci]:*`, count: 1_000 })) {
    if ((page as string[]).length > 0) await redis.unlink(...(page as string[]));
  }
  await redis.hdel(keys.meta, "live");
  await redis.hset(makeKeys(prefix).fleet, "schema", "1");
  await writeLayout1(
    redis,
    keys,
    records.map(({ id, data, firstSeen, lastChanged }) => ({
      id,
      data,
      fetchedAt: 1,
      lastModified: Date.parse(`${data.lastModified}Z`),
      firstSeen: Date.parse(firstSeen),
      lastChanged: Date.parse(lastChanged),
    })),
  );
}

const upstream = () => new Map(listing.records.map((record) => [record.id, record]));

test("a run over an older store migrates it first and finds everything unchanged", async () => {
  const keys = makeKeys(prefix).provider("cve");
  expect(await exported(uee.engine, "cve")).toEqual(upstream());
  const end = await uee.engine.records.changesEnd();
  const again = await openTestEngine(server.url, {
    prefix,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  expect(await redis.hget(makeKeys(prefix).fleet, "schema")).toBe(String(SCHEMA_VERSION));
  const run = await again.run("cve", "full");
  expect(run).toMatchObject({ state: "complete", unchanged: 60, created: 0, updated: 0, removed: 0 });
  expect(await redis.exists(keys.layout1.index)).toBe(0);
  expect(await exported(again.engine, "cve")).toEqual(upstream());
  expect(await again.engine.records.changesEnd()).toBe(end);
  await again.close();
});

test("nothing is moved and no batch runs while a worker of the older version lives; status says why", async () => {
  const keys = makeKeys(prefix);
  const registry = new WorkerRegistry(redis, keys);
  const older = {
    ...{ id: "w-older", process: thisProcess(), startedAt: "2026-01-01T00:00:00.000Z", version: "0.1.0" },
    ...{ state: "ready" as const, lockOwners: [], serves: { providers: ["cve"], runs: true }, vitals: null },
  };
  await registry.beat(older, { heartbeat: true });
  const running = uee.run("cve", "full");
  const said = async () => (await uee.engine.status()).providers.find((p) => p.provider === "cve")!.machine;
  await until(async () => /STOR_MIGRATING: workers of an older version/.test((await said()).reason ?? ""));
  expect(await said()).toMatchObject({
    state: "WAITING_BACKOFF",
    reason: expect.stringContaining(`:${process.pid}`),
  });
  expect(await redis.hlen(keys.provider("cve").layout1.index)).toBe(60);
  await registry.withdraw("w-older");
  expect(await running).toMatchObject({ state: "complete", unchanged: 60 });
  expect(await exported(uee.engine, "cve")).toEqual(upstream());
});
