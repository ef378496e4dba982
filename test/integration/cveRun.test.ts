import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { makeLogger } from "../../src/core/logger.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
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
  listing = await startListing(makeRecords(4500));
  uee = await openTestEngine(redis.url, {
    prefix: `t${prefix++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
});
afterEach(async () => {
  await uee.close();
  await listing.close();
});

const contentOf = (records: { id: string }[]) => new Map(records.map((record) => [record.id, record]));

describe("a run over CVE", () => {
  test("on a fresh store is full, complete, and leaves exactly what the upstream has", async () => {
    const run = await uee.run("cve");
    expect(run).toMatchObject({
      mode: "full",
      state: "complete",
      fetched: 4500,
      created: 4500,
      updated: 0,
      unchanged: 0,
      removed: 0,
      deadLettered: 0,
      requests: 3,
      batches: 3,
      error: null,
    });
    expect(run.watermark).toBe(listing.records.at(-1)!.lastModified);
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
    expect(run.checkpoint).toBe(`v2e::nvd::cve::${listing.records.at(-1)!.id}`);
  });

  test("is incremental the second time and takes only what the window covers", async () => {
    await uee.run("cve");
    const now = new Date().toISOString().slice(0, -1);
    listing.records[7] = { ...listing.records[7]!, lastModified: now, descriptions: [{ value: "edited" }] };
    listing.records.push(...makeRecords(1, 9000).map((r) => ({ ...r, lastModified: now })));
    const run = await uee.run("cve");
    expect(run).toMatchObject({ mode: "incremental", state: "complete", created: 1, updated: 1 });
    expect(run.watermark).toBe(now);
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
  });

  test("that is full finds silent edits and removes what is gone", async () => {
    await uee.run("cve");
    listing.records[3] = { ...listing.records[3]!, descriptions: [{ value: "silently edited" }] };
    const [gone] = listing.records.splice(10, 1);
    const run = await uee.run("cve", "full");
    expect(run).toMatchObject({ mode: "full", state: "complete", updated: 1, unchanged: 4498, removed: 1 });
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
    expect(await uee.engine.records.get(gone!.id)).toMatchObject({ removed: { reason: "gone upstream" } });
  });

  test("that would remove too much removes nothing and says so, unless it is told to", async () => {
    await uee.run("cve");
    const before = await exported(uee.engine, "cve");
    listing.records.splice(0, 500);
    expect(await uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      removed: 0,
      error: { code: "PROV_SHRUNK" },
    });
    expect(await exported(uee.engine, "cve")).toEqual(before);
    expect(await uee.run("cve", "full", { allowShrink: true })).toMatchObject({
      state: "complete",
      removed: 500,
    });
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
  });

  test("whose total grows while it is paged is finished by an increment from its start", async () => {
    const late = makeRecords(2, 9000).map((r) => ({
      ...r,
      lastModified: new Date().toISOString().slice(0, -1),
    }));
    listing.intercept = (url) => {
      if (url.searchParams.get("startIndex") === "4000" && listing.records.length === 4500)
        listing.records.push(...late);
      return false;
    };
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "complete", created: 4502, pass: 1 });
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
    expect(listing.requests.some((url) => url.searchParams.has("lastModStartDate"))).toBe(true);
  });

  test("whose total falls while it is paged is walked again and does not keep what left", async () => {
    listing.intercept = (url) => {
      if (url.searchParams.get("startIndex") === "4000" && listing.records.length === 4500)
        listing.records.splice(100, 3);
      return false;
    };
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "complete", pass: 2 });
    expect(await exported(uee.engine, "cve")).toEqual(contentOf(listing.records));
  });

  test("sets a bad record aside with its raw bytes, keeps the old version, and ends incomplete", async () => {
    await uee.run("cve");
    const good = { ...listing.records[5]! };
    listing.records[5] = { ...good, references: "none" };
    const run = await uee.run("cve", "full");
    expect(run).toMatchObject({
      state: "incomplete",
      deadLettered: 1,
      fetched: 4500,
      removed: 0,
      error: { code: "PROV_BAD_RECORDS" },
    });
    expect((await exported(uee.engine, "cve")).get(good.id)).toEqual(good);
    const { letters } = await uee.engine.deadLetters.list({ provider: "cve" }, { limit: 10 });
    const [letter] = letters;
    expect(letter).toMatchObject({ kind: "record", code: "VAL_RECORD_FIELD", subject: good.id });
    const { raw } = await uee.engine.deadLetters.show(letter!.id);
    expect(JSON.parse(raw!.toString())).toEqual(listing.records[5]);
    // Met again it is the same dead letter.
    expect(await uee.run("cve", "full")).toMatchObject({ state: "incomplete", deadLettered: 1 });
    expect(await uee.engine.deadLetters.count("cve")).toBe(1);
  });

  test("with records that have no id removes nothing, for they may be any", async () => {
    await uee.run("cve");
    listing.records[5] = null as never;
    listing.records[6] = null as never;
    listing.intercept = (url, response) => {
      const start = Number(url.searchParams.get("startIndex"));
      const page = listing.records.slice(start, start + 2000);
      response.end(
        JSON.stringify({
          startIndex: start,
          totalResults: 4500,
          timestamp: "2026-01-01T00:00:00.000",
          vulnerabilities: page.map((cve) => ({ cve })),
        }),
      );
      return true;
    };
    const run = await uee.run("cve", "full");
    expect(run).toMatchObject({ state: "incomplete", deadLettered: 2, fetched: 4498, removed: 0, pass: 1 });
  });

  test("fails at once on a wrong key and changes nothing", async () => {
    listing.intercept = (_url, response) => {
      response.writeHead(404, { message: "Invalid apiKey.", "content-length": 0 }).end();
      return true;
    };
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "failed", requests: 1, error: { code: "PROV_BAD_KEY" } });
    expect((await exported(uee.engine, "cve")).size).toBe(0);
  });

  test("over an upstream that only lies ends failed, with the watermark where it was", async () => {
    await uee.run("cve");
    const { watermark } = (await uee.engine.status()).providers.find((p) => p.provider === "cve")!;
    listing.records = [];
    expect(await uee.run("cve")).toMatchObject({
      state: "failed",
      error: { code: "PROV_EMPTY_LIE" },
      watermark,
    });
    expect((await exported(uee.engine, "cve")).size).toBe(4500);
  });
});

describe("what is logged while a batch works", () => {
  test("names its run and the batch, also what the upstream's client and the page size say", async () => {
    const lines: Record<string, unknown>[] = [];
    const destination = { write: (text: string) => void lines.push(JSON.parse(text)) };
    const told = await openTestEngine(
      redis.url,
      { prefix: "told", providers: { cve: { url: listing.url, rate: "unlimited" } } },
      { logger: makeLogger({ level: "debug", destination }) },
    );
    let asked = 0;
    listing.intercept = (_url, response) => {
      asked += 1;
      if (asked > 2) return false;
      response.writeHead(asked === 1 ? 429 : 524).end();
      return true;
    };
    const { runId } = await told.run("cve");
    await told.close();
    for (const event of ["upstream_wait", "page_size", "batch_defer", "batch_done"]) {
      const said = lines.filter((line) => line.event === event);
      expect([event, said.length > 0]).toEqual([event, true]);
      for (const line of said) expect(line).toMatchObject({ runId, batch: expect.stringMatching(/^p1\//) });
    }
  });
});
