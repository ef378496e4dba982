/** Full runs of cve that begin with NVD's year feeds. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import type { RunMode } from "../../src/providers/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const CVES = 400;

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
let prefix = 0;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

const open = (over: { feedsUrl?: string } = {}): Promise<TestEngine> =>
  openTestEngine(redis.url, {
    prefix: `t${prefix++}`,
    timeouts: { connectMs: 2_000, headersMs: 3_000, idleMs: 1_000, totalMs: 20_000 },
    providers: {
      cve: { url: simulator.urls.cve, feedsUrl: simulator.urls.feeds, rate: "unlimited", ...over },
    },
  });

beforeEach(async () => {
  simulator = await startSimulator({ cves: CVES, recordBytes: 600 });
  uee = await open();
});
afterEach(async () => {
  await uee.close();
  await simulator.close();
});

const digestOf = (entries: Iterable<[string, unknown]>): string => {
  const hash = createHash("sha256");
  for (const [id, data] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${id} ${canonicalJson(data)}\n`);
  }
  return hash.digest("hex");
};
const upstreamDigest = (): string =>
  digestOf([...simulator.content("cve")].map(({ id, data }): [string, unknown] => [id, data]));
const expectEqual = async (): Promise<void> => {
  expect(digestOf(await exported(uee.engine, "cve"))).toBe(upstreamDigest());
};
const run = (mode: RunMode = "full") => uee.run("cve", mode);

describe("a full run with year feeds", () => {
  test("loads every feed, closes the gap through the API and compares its total", async () => {
    simulator.mutate({ add: 5, modify: 7, feeds: "keep" });
    const first = await run("incremental");
    expect(first).toMatchObject({
      mode: "full",
      state: "complete",
      created: CVES + 5,
      updated: 0,
      note: null,
    });
    await expectEqual();
    const { requests } = simulator.counts();
    const years = new Date().getUTCFullYear() - 2002 + 1;
    // A .meta and a file of each year; one window since the feeds, and the total, which is asked for twice.
    expect([requests.feeds, requests.cve]).toEqual([2 * years, 3]);
    expect(first.requests).toBe(2 * years + 3);
    expect(first.watermark).not.toBeNull();

    const again = await run();
    expect(again).toMatchObject({
      state: "complete",
      created: 0,
      updated: 0,
      unchanged: CVES + 5,
      note: null,
    });
    // The feeds are older than the store: nothing of it was replaced.
    await expectEqual();
  });

  test("reads feeds whose base address has credentials and a query", async () => {
    const feedsUrl = `${simulator.urls.feeds!.replace("://", "://reader:pass%40word@")}/?token=mirror-token`;
    const behindToken = await open({ feedsUrl });
    try {
      expect(await behindToken.run("cve", "full")).toMatchObject({
        state: "complete",
        created: CVES,
        note: null,
      });
    } finally {
      await behindToken.close();
    }
  });

  test("of records that are removed, silently edited or hidden upstream ends equal all the same", async () => {
    await run();
    simulator.mutate({ remove: 4, silent: 6, modify: 3, feeds: "keep" });
    // The feeds still hold what the API has no longer: its total says so, and it is walked.
    const walked = await run();
    expect(walked).toMatchObject({ state: "complete", removed: 4 });
    expect(walked.note).toMatch(
      /API is walked: the API counts 396 records, the feeds and the API gave 400\./,
    );
    await expectEqual();
    simulator.mutate({ provider: "feeds" });
    expect(await run()).toMatchObject({ state: "complete", updated: 0, removed: 0, note: null });
    simulator.mutate({ remove: 2, silent: 5 });
    expect(await run()).toMatchObject({ state: "complete", updated: 5, removed: 2, note: null });
    await expectEqual();
  });

  test("of a mass modification takes what the feeds do not show from the API", async () => {
    await run();
    simulator.mutate({ modify: "95%", feeds: "keep" });
    expect(await run()).toMatchObject({ state: "complete", created: 0, note: null });
    await expectEqual();
  });

  test("asks again for what is published while it runs", async () => {
    const changed = simulator.scheduleChange({
      afterRequests: 1,
      change: { add: 3, feeds: "keep", at: new Date().toISOString() },
    });
    expect(await run()).toMatchObject({ state: "complete", created: CVES + 3, note: null });
    await changed;
    await expectEqual();
  });

  test("whose feeds are off, or belong to another upstream, walks the API", async () => {
    for (const own of [{ feedsUrl: "off" }, { feedsUrl: undefined }]) {
      const other = await openTestEngine(redis.url, {
        prefix: `t${prefix++}`,
        providers: {
          cve: { url: simulator.urls.cve, rate: "unlimited", ...(own.feedsUrl ? { feedsUrl: "off" } : {}) },
        },
      });
      expect(await other.run("cve", "full")).toMatchObject({ state: "complete", requests: 1 });
      await other.close();
    }
    expect(simulator.counts().requests.feeds).toBe(0);
  });
});

/** What goes wrong with one feed, or with all of them, for as long as a run lasts. */
const lasting: [spec: string, code: string][] = [
  ["feed-cut:feeds", "PROV_TRUNCATED"],
  ["empty-body:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_TRUNCATED"],
  ["empty-body:/feeds/json/cve/2.0/nvdcve-2.0-2020.meta", "PROV_TRUNCATED"],
  ["feed-newer:feeds", "PROV_FEED_MISMATCH"],
  ["feed-sha:feeds", "PROV_FEED_MISMATCH"],
  ["feed-total:feeds", "PROV_FEED_MISMATCH"],
  ["status-404:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_NOT_FOUND"],
  ["status-404:/feeds/json/cve/2.0/nvdcve-2.0-2020.meta", "PROV_NOT_FOUND"],
  ["status-401:feeds", "PROV_"],
  ["html-200:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_HTML"],
  ["html-200:/feeds/json/cve/2.0/nvdcve-2.0-2020.meta", "PROV_HTML"],
  ["feed-304:feeds", "PROV_"],
  ["gzip-corrupt:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_"],
  ["truncated:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_"],
  ["truncated-clean:/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_"],
  ["redirect-loop:feeds", "PROV_REDIRECTS"],
  ["reset:feeds", "PROV_"],
  ["status-503:feeds", "PROV_"],
  ["status-403:feeds", "PROV_"],
  ["stall(100):/feeds/json/cve/2.0/nvdcve-2.0-2020.json.gz", "PROV_STALLED"],
  ["oversize:/feeds/json/cve/2.0/nvdcve-2.0-2020.meta", "PROV_BODY_TOO_LARGE"],
];

test.each(lasting)(
  "while the feeds suffer from %s the API is walked, and the run says %s",
  async (spec, code) => {
    simulator.mutate({ modify: 3 });
    simulator.setFaults([spec]);
    const done = await run();
    expect(done).toMatchObject({ state: "complete", created: CVES, error: null });
    expect(done.note).toContain("NVD's API is walked: nvdcve-2.0-");
    expect(done.note).toContain(code);
    await expectEqual();
    // Nothing of it is left behind.
    const status = (await uee.engine.status()).providers.find(({ provider }) => provider === "cve")!;
    expect([status.verified, status.deadLetters.entries]).toEqual([true, 0]);
  },
);

test("a .meta of any line end and any digits of a second is read, and a bad record costs one record", async () => {
  await simulator.close();
  simulator = await startSimulator({ cves: 300, recordBytes: 600, oddTimes: true });
  await uee.close();
  uee = await open();
  expect(await run()).toMatchObject({ state: "complete", created: 300, note: null });
  simulator.setFaults(["bad-record@0.05:feeds"]);
  const bad = simulator.badRecords("feeds");
  const done = await run();
  expect(bad.length).toBeGreaterThan(0);
  expect(done.deadLettered).toBe(bad.length);
  expect(done).toMatchObject({ state: "incomplete", error: { code: "PROV_BAD_RECORDS" } });
});
