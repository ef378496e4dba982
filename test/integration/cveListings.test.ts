/** Odd listings of NVD from end to end: holes, doubles, replicas that disagree, dates in the future. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { RunMode } from "../../src/providers/contract.ts";
import { idleProvider } from "../support/idleProvider.ts";
import {
  type ListingRecord,
  type ListingServer,
  makeRecords,
  startListing,
} from "../support/listingServer.ts";
import { answerFrom, type OddAnswer, type Places } from "../support/oddListing.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let prefix = 0;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

beforeEach(async () => {
  listing = await startListing([]);
  uee = await open();
});
afterEach(async () => {
  await uee.close();
  await listing.close();
});

const open = () =>
  openTestEngine(redis.url, {
    prefix: `odd${prefix++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });

/** `replica(n)` gives what answers the n-th request, from 0. */
function serve(replica: (request: number) => OddAnswer): void {
  let requests = 0;
  listing.intercept = (url, response) => {
    answerFrom(replica(requests++), url, response);
    return true;
  };
}

const always = (places: Places, envelope: Record<string, unknown> = {}) =>
  serve(() => ({ places, envelope }));
const byId = (records: ListingRecord[]) => new Map(records.map((record) => [record.id, record]));

describe("a first load of 2,500 records one of which is counted and never served", () => {
  test.each([0, 1234, 2100, 2499])(
    "at place %i stores the others and ends incomplete, naming the place",
    async (at) => {
      const records = makeRecords(2500);
      always(records.map((record, i) => (i === at ? null : record)));
      const run = await uee.run("cve");
      expect(run).toMatchObject({
        state: "incomplete",
        fetched: 2499,
        created: 2499,
        deadLettered: 0,
        removed: 0,
      });
      expect(run.error?.code).toBe("PROV_NOT_VERIFIED");
      expect(run.error?.message).toContain(`offset ${at}`);
      expect(run.watermark).toBeNull();
      expect(await exported(uee.engine, "cve")).toEqual(byId(records.filter((_, i) => i !== at)));
    },
  );

  test("is complete by the next run when the upstream serves it", async () => {
    const records = makeRecords(2500);
    always(records.map((record, i) => (i === 7 ? null : record)));
    await uee.run("cve");
    always(records);
    expect(await uee.run("cve")).toMatchObject({
      mode: "full",
      state: "complete",
      created: 1,
      unchanged: 2499,
    });
    expect(await exported(uee.engine, "cve")).toEqual(byId(records));
  });
});

test("a hole in a later full run removes nothing", async () => {
  const records = makeRecords(2500);
  always(records);
  const before = await uee.run("cve");
  always(records.filter((_, i) => i !== 3).map((record, i) => (i === 9 ? null : record)));
  const run = await uee.run("cve", "full");
  expect(run).toMatchObject({ state: "incomplete", removed: 0 });
  expect(run.error?.message).toContain("offset 9");
  expect((await exported(uee.engine, "cve")).size).toBe(2500);
  expect((await uee.run("cve", "incremental")).watermark).toBe(before.watermark);
});

describe("an id that the upstream lists twice for ever", () => {
  test.each([
    ["on one page", 1],
    ["on two pages", 2100],
    ["at the border of two pages", 2000],
  ])("with the same content, %s, is its truth after a second pass", async (_name, at) => {
    const records = makeRecords(2500);
    always([...records.slice(0, at), records[0]!, ...records.slice(at)]);
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "complete", fetched: 2500, created: 2500, error: null });
    // Two passes over two pages, each of which is asked for twice in the second.
    expect(run.requests).toBe(6);
    expect(await exported(uee.engine, "cve")).toEqual(byId(records));
    expect(await uee.run("cve", "incremental")).toMatchObject({ state: "complete", created: 0, updated: 0 });
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", updated: 0, removed: 0 });
  });

  test("with different content keeps the newest, ends incomplete and is named", async () => {
    const records = makeRecords(2500);
    const older = { ...records[5]!, lastModified: "2020-01-01T00:00:00.000", references: [{ url: "old" }] };
    for (const places of [
      [older, ...records],
      [...records, older],
    ]) {
      always(places);
      const run = await uee.run("cve");
      expect(run).toMatchObject({ state: "incomplete", fetched: 2500 });
      expect(run.error?.message).toContain(records[5]!.id);
      expect(await exported(uee.engine, "cve")).toEqual(byId(records));
    }
  });

  test("does not hide a record that is missing", async () => {
    const records = makeRecords(2500);
    const places = [...records.slice(0, 40), records[0]!, ...records.slice(40)];
    always(places.map((record, i) => (i === 2200 ? null : record)));
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "incomplete", fetched: 2499 });
    expect(run.error?.message).toContain("offset 2200");
  });
});

describe("two replicas that disagree about the total by one", () => {
  test.each([
    ["the last record", 2499],
    ["the first record", 0],
    ["a record of the first page", 1500],
  ])("over %s end the same way whichever answers first", async (_name, at) => {
    const records = makeRecords(2500);
    const behind = records.filter((_, i) => i !== at);
    const outcomes: unknown[] = [];
    for (const first of [0, 1]) {
      serve((n) => ({ places: n % 2 === first ? records : behind }));
      const { state, fetched, error } = await uee.run("cve");
      outcomes.push({ state, fetched, code: error?.code, stored: (await exported(uee.engine, "cve")).size });
      await uee.close();
      uee = await open();
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[0]).toMatchObject({ state: "incomplete", fetched: 2500, stored: 2500 });
  });
});

describe("dates in the future", () => {
  const inOneHour = () => new Date(Date.now() + 3_600_000).toISOString().slice(0, -1);
  const newestOf = (records: ListingRecord[]) => records.at(-1)!.lastModified;

  test.each([
    ["and an honest clock", {}],
    ["and no clock", { timestamp: undefined }],
    ["and a clock of null", { timestamp: null }],
    ["and a clock that cannot be read", { timestamp: "soon" }],
    ["and a clock in the future", { timestamp: "2099-06-01T00:00:00.000000000" }],
  ])("of a record %s do not poison the watermark, and increments go on", async (_name, envelope) => {
    const records = makeRecords(50);
    const odd = { ...records[3]!, lastModified: "2099-01-01T00:00:00.000" };
    const served = records.map((record, i) => (i === 3 ? odd : record));
    always(served, envelope);
    const first = await uee.run("cve");
    expect([first.state, first.watermark]).toEqual(["complete", newestOf(records)]);
    expect(await uee.run("cve", "incremental")).toMatchObject({ state: "complete", mode: "incremental" });
    const fresh = { ...records[0]!, lastModified: inOneHour(), references: [{ url: "new" }] };
    fresh.lastModified = new Date(Date.now() - 1000).toISOString().slice(0, -1);
    always([...served.slice(1), fresh], envelope);
    const later = await uee.run("cve", "incremental");
    expect(later).toMatchObject({ state: "complete", mode: "incremental", updated: 1 });
    expect(Date.parse(`${later.watermark}Z`)).toBeLessThanOrEqual(Date.now());
  });

  test("in what a provider's verification says are lowered to the run's start", async () => {
    const verify = () => ({ kind: "verified", watermark: "2099-01-01T00:00:00.000" }) as const;
    const provider = { ...idleProvider("ahead", { batches: 1, takes: 0 }), verify };
    const ahead = await openTestEngine(redis.url, { prefix: `odd${prefix++}` }, { providers: [provider] });
    const run = await ahead.run("ahead", "full");
    expect(run.state).toBe("complete");
    expect(Date.parse(run.watermark!)).toBeLessThanOrEqual(Date.now());
    await ahead.close();
  });

  test.each(["incremental", "full"] as RunMode[])(
    "in a watermark that an older version stored are gone after the next %s run",
    async (mode) => {
      const records = makeRecords(50);
      always(records);
      await uee.run("cve");
      const key = (await uee.redis.commands.keys("*")).find((name) => name.endsWith("cve}:meta"))!;
      await uee.redis.commands.hset(key, "watermark", "2099-01-01T00:00:00.000");
      const changed = { ...records[9]!, references: [{ url: "changed" }] };
      always(records.map((record, i) => (i === 9 ? changed : record)));
      const run = await uee.run("cve", mode);
      expect(run).toMatchObject({ state: "complete", updated: 1, watermark: newestOf(records) });
      expect(await uee.run("cve", "incremental")).toMatchObject({
        state: "complete",
        watermark: newestOf(records),
      });
    },
  );
});
