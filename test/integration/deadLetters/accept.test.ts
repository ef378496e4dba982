/** What accepting and purging mean for the runs that follow, and that both are kept with who did it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported, openTestEngine } from "../../support/testEngine.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: 40 });
  await mirror.uee.run("cve");
});
afterEach(() => mirror.close());

const store = () => exported(mirror.uee.engine, "cve");

describe("an accepted bad record", () => {
  test("no longer counts: runs that meet nothing worse end complete, and keep its old version", async () => {
    const old = { ...mirror.listing.records[7]! };
    mirror.spoil(7);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      deadLettered: 1,
      fetched: 40,
    });
    const report = await mirror.letters.accept(
      { code: "VAL_RECORD_FIELD" },
      { actor: "ann", reason: "NVD knows" },
    );
    expect(report).toMatchObject({ matched: 1, done: 1, skipped: {} });
    const accepted = { state: "accepted", lastAction: { what: "accept", actor: "ann", reason: "NVD knows" } };
    expect(await mirror.all()).toMatchObject([accepted]);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      ...{ state: "complete", error: null, deadLettered: 0, accepted: 1 },
      // Its id was received all the same.
      ...{ fetched: 40, unchanged: 39, removed: 0 },
    });
    expect((await store()).get(old.id)).toEqual(old);
    expect(await mirror.letters.count()).toBe(0);
    expect(await mirror.letters.stats()).toMatchObject({ total: 1, byState: { accepted: 1, dead: 0 } });
  });

  test("counts again as soon as the upstream sends other content", async () => {
    mirror.spoil(7);
    await mirror.uee.run("cve", "full");
    await mirror.letters.accept({});
    mirror.spoil(7, "still none");
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      deadLettered: 1,
      accepted: 0,
    });
    expect((await mirror.all()).map(({ state }) => state).sort()).toEqual(["accepted", "dead"]);
    // And the first content again is the accepted one again.
    mirror.spoil(7);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "complete", accepted: 1 });
  });

  test("is removed like any other when the upstream no longer has it", async () => {
    const { id } = mirror.listing.records[7]!;
    mirror.spoil(7);
    await mirror.uee.run("cve", "full");
    await mirror.letters.accept({});
    mirror.listing.records.splice(7, 1);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "complete", removed: 1 });
    expect((await store()).has(id)).toBe(false);
  });

  test("without an id still keeps records from being removed, and a run that would remove some is not complete", async () => {
    mirror.listing.records[7] = { ...mirror.listing.records[7]!, id: "nameless" };
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      deadLettered: 1,
      removed: 0,
    });
    await mirror.letters.accept({});
    const run = await mirror.uee.run("cve", "full");
    expect(run).toMatchObject({
      state: "incomplete",
      deadLettered: 0,
      removed: 0,
      error: { code: "PROV_BAD_RECORDS" },
    });
    expect(run.error?.message).toContain("1 records seem to be gone");
    expect(await store()).toHaveProperty("size", 40);
  });

  test("without an id is nothing to worry about where nothing seems to be gone", async () => {
    mirror.listing.records.push({ ...mirror.listing.records[7]!, id: "nameless" });
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "incomplete",
      fetched: 40,
      deadLettered: 1,
    });
    await mirror.letters.accept({});
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "complete",
      fetched: 40,
      deadLettered: 0,
    });
  });

  test("does not pause the provider, however many there are", async () => {
    for (let i = 0; i < 30; i++) mirror.spoil(i);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete", deadLettered: 30 });
    const cve = { url: mirror.listing.url, rate: "unlimited" } as const;
    const strict = await openTestEngine(redis.url, { errorRate: 0.1, errorMinimum: 10, providers: { cve } });
    await strict.engine.deadLetters.accept({});
    expect(await strict.run("cve", "full")).toMatchObject({ state: "complete", accepted: 30 });
    await strict.engine.deadLetters.purge({});
    expect(await strict.run("cve", "full")).toMatchObject({
      state: "paused",
      error: { code: "PROV_ERROR_RATE" },
    });
    await strict.close();
  });

  test("is never a batch, nor a letter that is being replayed", async () => {
    mirror.spoil(7);
    await mirror.uee.run("cve", "full");
    await mirror.letters.replay({});
    expect(await mirror.letters.accept({ state: "replaying" })).toMatchObject({
      done: 0,
      skipped: { replaying: 1 },
    });
    await mirror.uee.engine.stop("cve");
    mirror.spoiled.add(0);
    await mirror.uee.run("cve", "full");
    expect(await mirror.letters.accept({ class: "exhausted" })).toMatchObject({
      ...{ matched: 1, done: 0, skipped: { "not a bad record": 1 } },
    });
  });
});

describe("purged dead letters", () => {
  test("are gone with their bytes and jobs; what is lost is said, and met again they are new", async () => {
    mirror.spoil(7);
    mirror.spoil(8);
    await mirror.uee.run("cve", "full");
    const [letter] = await mirror.all();
    const dry = await mirror.letters.purge({}, { dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, done: 2, lost: { records: 2 } });
    expect(dry.sample).toHaveLength(2);
    expect(await mirror.letters.count()).toBe(2);
    const report = await mirror.letters.purge({ ids: [letter!.id, "r-unknown"] });
    expect(report).toMatchObject({ matched: 1, done: 1, skipped: { gone: 1 } });
    expect(report.lost).toEqual({ batches: 0, batchRecords: 0, records: 1, rawBytes: letter!.rawBytes });
    await expect(mirror.letters.show(letter!.id)).rejects.toMatchObject({ code: "API_NOT_FOUND" });
    expect((await redis.client().keys("*bad-record:*")).length).toBe(1);
    expect((await mirror.uee.engine.status()).providers[0]!.jobs.failed).toBe(1);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ deadLettered: 2 });
    expect(await mirror.letters.count()).toBe(2);
  });

  test("are not those that are being replayed", async () => {
    mirror.spoil(7);
    await mirror.uee.run("cve", "full");
    await mirror.letters.replay({});
    expect(await mirror.letters.purge({})).toMatchObject({ done: 0, skipped: { replaying: 1 } });
    expect(await mirror.letters.count()).toBe(1);
  });
});

test("who did what to dead letters, and why, stands in the history", async () => {
  mirror.spoil(7);
  mirror.spoil(8);
  await mirror.uee.run("cve", "full");
  const [first] = await mirror.all();
  await mirror.letters.replay({ code: "NONE_SUCH" }, { actor: "ann" });
  await mirror.letters.accept({ ids: [first!.id] }, { actor: "ann", reason: "known" });
  await mirror.letters.purge({ provider: "cve", state: "dead" }, { actor: "bob", reason: "noise" });
  const lines = (await mirror.uee.engine.history({ limit: 100 })).filter(
    ({ kind }) => kind === "dead-letters",
  );
  expect(lines.map(({ what, trigger, actor, reason }) => ({ what, trigger, actor, reason }))).toEqual([
    { what: "dead letters: purged 1", trigger: "provider cve, state dead", actor: "bob", reason: "noise" },
    { what: "dead letters: purge begun", trigger: "provider cve, state dead", actor: "bob", reason: "noise" },
    { what: "dead letters: accepted 1", trigger: first!.id, actor: "ann", reason: "known" },
    { what: "dead letters: accept begun", trigger: first!.id, actor: "ann", reason: "known" },
  ]);
});
