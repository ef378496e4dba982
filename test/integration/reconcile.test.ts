/** `reconcile`: the store is compared with NVD's year feeds, record by record, and repaired. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import { makeLogger } from "../../src/core/logger.ts";
import type { RunProgress } from "../../src/engine/api.ts";
import type { ChangeEntry } from "../../src/records/contract.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const CVES = 600;

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
let prefix = 0;
const lines: string[] = [];

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(() => open(CVES));
afterEach(async () => {
  await uee.close();
  await simulator.close();
});

/** An engine over an upstream with so many records, which it has mirrored. */
async function open(cves: number): Promise<void> {
  simulator = await startSimulator({ cves, recordBytes: 600 });
  lines.length = 0;
  const destination = { write: (line: string) => void lines.push(line) };
  uee = await openTestEngine(
    redis.url,
    {
      prefix: `t${++prefix}`,
      providers: {
        cve: { url: simulator.urls.cve, feedsUrl: simulator.urls.feeds, rate: "unlimited" },
      },
    },
    { logger: makeLogger({ level: "debug", destination }) },
  );
  expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", created: cves });
}

async function reconcile(repair = true): Promise<RunProgress> {
  const { runId } = await uee.engine.openRun({ provider: "cve", mode: "reconcile", repair });
  const worker = await uee.engine.startWorker();
  try {
    return await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  } finally {
    await worker.stop();
  }
}

const nothing = { newer: 0, stale: 0, missing: 0, extra: 0, repaired: 0, unexplained: 0 };

async function expectEqual(): Promise<void> {
  const store = await exported(uee.engine, "cve");
  const upstream = [...simulator.content("cve")];
  expect(store.size).toBe(upstream.length);
  for (const { id, data } of upstream) expect(canonicalJson(store.get(id))).toBe(canonicalJson(data));
}
const cveStatus = async () =>
  (await uee.engine.status()).providers.find(({ provider }) => provider === "cve")!;

/** What every record key and every bucket of the index holds, and the bytes that batches say they sent since the last call. */
async function storeDigest(): Promise<string> {
  const client = redis.client();
  const keys = makeKeys(`t${prefix}`).provider("cve");
  const hash = createHash("sha256");
  const found: string[] = [];
  for await (const page of client.scanStream({ match: `${keys.tag}:*`, count: 1_000 })) {
    for (const key of page as string[]) {
      if (key.startsWith(keys.recordPrefix) || key.startsWith(keys.indexPrefix)) found.push(key);
    }
  }
  for (const key of [...new Set(found)].sort()) hash.update(key).update((await client.dumpBuffer(key))!);
  return hash.digest("hex");
}

const bytesWritten = (): number =>
  lines
    .splice(0)
    .map((line) => JSON.parse(line) as { event?: string; bytesWritten?: number })
    .reduce((sum, { event, bytesWritten: bytes = 0 }) => sum + (event === "batch_done" ? bytes : 0), 0);

test("at 5,000 records: every silent edit, hole and extra, planted here or upstream, is found, counted and repaired", async () => {
  const many = 5_000;
  await uee.close();
  await simulator.close();
  await open(many);
  const keys = makeKeys(`t${prefix}`).provider("cve");
  const client = redis.client();
  // Upstream: silent edits of 1 %, records that it takes back and such as it has entered since.
  simulator.mutate({ silent: 50, remove: 25, add: 15 });
  const upstream = new Set([...simulator.content("cve")].map(({ id }) => id));
  // In the store, in records that are as upstream has them: contents of another record, holes, records of no upstream.
  const stored = await exported(uee.engine, "cve");
  const same: string[] = [];
  for (const { id, data } of simulator.content("cve")) {
    if (stored.has(id) && canonicalJson(stored.get(id)) === canonicalJson(data)) same.push(id);
  }
  const [source] = same as [string];
  for (const id of same.slice(1, 41)) await client.unlink(keys.record(id));
  for (const id of same.slice(21, 41)) await client.copy(keys.record(source), keys.record(id));
  for (const id of same.slice(41, 71)) await client.hdel(keys.indexBucket(id), id);
  for (const id of same.slice(41, 56)) await client.unlink(keys.record(id));
  const entry = (await client.hgetBuffer(keys.indexBucket(source), source))!;
  for (let i = 0; i < 10; i++) {
    const id = `CVE-2003-99990${i}`;
    expect(upstream.has(id)).toBe(false);
    await client.hset(keys.indexBucket(id), id, entry);
    await client.copy(keys.record(source), keys.record(id));
  }
  const found = {
    ...{ checked: many + 15 + 10, equal: upstream.size - 15 - 50 - 40 - 30 },
    ...{ newer: 0, stale: 50 + 40, missing: 15 + 30, extra: 25 + 10, unexplained: 0 },
  };
  expect((await reconcile(false)).reconciled).toMatchObject({ ...found, repaired: 0 });
  const run = await reconcile();
  expect(run.reconciled).toMatchObject({ ...found, repaired: 90 + 45 + 35 });
  expect(run).toMatchObject({ state: "complete", created: 45, updated: 90, removed: 35 });
  await expectEqual();
  expect((await cveStatus()).records).toBe(upstream.size);

  expect(bytesWritten()).toBeGreaterThan(0);
  const before = [await storeDigest(), await uee.engine.records.changesEnd()];
  const again = await reconcile();
  expect(again.reconciled).toMatchObject({ ...nothing, checked: upstream.size, equal: upstream.size });
  expect(again).toMatchObject({ state: "complete", created: 0, updated: 0, removed: 0 });
  expect(bytesWritten()).toBe(0);
  expect([await storeDigest(), await uee.engine.records.changesEnd()]).toEqual(before);
});

describe("a reconciliation", () => {
  test("of an equal store says so with every feed, and writes nothing", async () => {
    const before = (await cveStatus()).watermark;
    const run = await reconcile();
    expect(run).toMatchObject({ mode: "reconcile", state: "complete", created: 0, updated: 0, error: null });
    expect(run.reconciled).toMatchObject({ ...nothing, checked: CVES, equal: CVES });
    expect(run.reconciled?.feeds.reduce((sum, { records }) => sum + records, 0)).toBe(CVES);
    expect(run.reconciled?.feeds[0]).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const status = await cveStatus();
    expect(status.reconciled).toEqual(run.reconciled);
    // It says nothing of how current the mirror is.
    expect([status.watermark, status.lastRun?.mode]).toEqual([before, "full"]);
  });

  test("finds and repairs silent edits, holes and extras upstream, each number exact, then finds nothing", async () => {
    simulator.mutate({ silent: 6, remove: 4 });
    const looked = await reconcile(false);
    const found = {
      checked: CVES,
      equal: CVES - 10,
      newer: 0,
      stale: 6,
      missing: 0,
      extra: 4,
      unexplained: 0,
    };
    expect(looked).toMatchObject({ created: 0, updated: 0, removed: 0 });
    expect(looked.reconciled).toMatchObject({ ...found, repaired: 0 });
    const end = await uee.engine.records.changesEnd();
    const run = await reconcile();
    expect(run.reconciled).toMatchObject({ ...found, repaired: 10 });
    expect(run).toMatchObject({ state: "complete", updated: 6, removed: 4 });
    await expectEqual();
    const entries: ChangeEntry[] = [];
    for await (const entry of uee.engine.records.changes({ since: end })) entries.push(entry);
    expect(entries.map(({ op }) => op).sort()).toEqual([
      ...Array.from({ length: 4 }, () => "removed"),
      ...Array.from({ length: 6 }, () => "updated"),
    ]);
    const again = await reconcile();
    expect(again.reconciled).toMatchObject({ ...nothing, checked: CVES - 4, equal: CVES - 4 });
    expect(again).toMatchObject({ created: 0, updated: 0, removed: 0 });
  });

  test("finds what another hand took out of the store or altered in it, whatever the index says", async () => {
    const keys = makeKeys(`t${prefix}`).provider("cve");
    const client = redis.client();
    const ids = [...simulator.content("cve")].map(({ id }) => id);
    const [hole, emptied, altered, swapped, other] = ids as [string, string, string, string, string];
    await client.hdel(keys.indexBucket(hole), hole);
    await client.unlink(keys.record(emptied));
    await client.lset(keys.record(altered), 0, "\u0000{}");
    await client.unlink(keys.record(swapped));
    await client.copy(keys.record(other), keys.record(swapped));
    const found = { checked: CVES, equal: CVES - 4, stale: 3, missing: 1, extra: 0, unexplained: 0 };
    expect((await reconcile(false)).reconciled).toMatchObject({ ...found, repaired: 0 });
    expect((await reconcile()).reconciled).toMatchObject({ ...found, repaired: 4 });
    await expectEqual();
    expect((await cveStatus()).records).toBe(CVES);
    expect((await reconcile()).reconciled).toMatchObject({ ...nothing, checked: CVES, equal: CVES });
  });

  test("takes what was modified or published after the feeds were made for newer, and keeps it", async () => {
    const at = new Date().toISOString();
    simulator.mutate({ add: 3, modify: 5, feeds: "keep", at });
    expect(await uee.run("cve")).toMatchObject({ mode: "incremental", created: 3, updated: 5 });
    const run = await reconcile();
    expect(run.reconciled).toMatchObject({ ...nothing, checked: CVES + 3, equal: CVES - 5, newer: 8 });
    await expectEqual();
  });

  test("does not remove more than the guard allows, and says so until it is settled", async () => {
    simulator.mutate({ remove: 60 });
    const run = await reconcile();
    expect(run).toMatchObject({ state: "incomplete", removed: 0, error: { code: "PROV_UNEXPLAINED" } });
    expect(run.reconciled).toMatchObject({ extra: 60, repaired: 0 });
    await expect(uee.engine.openRun({ provider: "kev", mode: "reconcile" })).rejects.toMatchObject({
      code: "PROV_FEEDS_UNUSABLE",
    });
  });

  test("over feeds that cannot be used compares nothing, changes nothing and says why", async () => {
    simulator.mutate({ silent: 6 });
    simulator.setFaults(["feed-sha:feeds"]);
    const run = await reconcile();
    expect(run).toMatchObject({
      state: "incomplete",
      reconciled: null,
      error: { code: "PROV_FEEDS_UNUSABLE" },
    });
    expect((await cveStatus()).reconcileFailed).toMatchObject({ code: "PROV_FEEDS_UNUSABLE" });
    simulator.clearFaults();
    await uee.engine.resetBreaker("cve-feeds");
    expect((await reconcile()).reconciled).toMatchObject({ stale: 6, repaired: 6 });
    expect((await cveStatus()).reconcileFailed).toBeNull();
  });

  test("is joined by its like only", async () => {
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "reconcile" });
    const open = (mode: "reconcile" | "full" | "incremental", repair = true) =>
      uee.engine.openRun({ provider: "cve", mode, repair });
    expect(await open("reconcile")).toMatchObject({ runId, joined: true });
    for (const [mode, repair] of [
      ["reconcile", false],
      ["full", true],
      ["incremental", true],
    ] as const) {
      await expect(open(mode, repair)).rejects.toMatchObject({ code: "PROV_RUN_OPEN" });
    }
  });
});
