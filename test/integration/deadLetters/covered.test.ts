/**
 * Dead letters settle by themselves once a verified run has stored their record, no longer saw it, or covered their batch;
 * and a resumed run over a mended upstream ends complete.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { makeRecords } from "../../support/listingServer.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(() => mirror.close());

const rawKeys = () => mirror.uee.redis.commands.keys("{uee:cve}:bad-record:*");
const failedJobs = async () => (await mirror.uee.engine.status()).providers[0]!.jobs.failed;
const subjects = async () => (await mirror.all()).map(({ subject }) => subject).sort();

/** Takes a record's id away: no run can tell which record it is. */
function unname(i: number): void {
  const { id: _, ...rest } = mirror.listing.records[i]!;
  mirror.listing.records[i] = rest as (typeof mirror.listing.records)[number];
}

describe("a later verified run settles", () => {
  test("what it stored, what is gone upstream, and the batch that it loaded, with their jobs and bytes", async () => {
    mirror = await startMirror(redis, { records: 4_100 });
    const { listing, uee } = mirror;
    const whole = listing.records.map((record) => ({ ...record }));
    mirror.spoil(3);
    mirror.spoil(4);
    unname(5);
    mirror.spoiled.add(2_000);
    expect(await uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    expect(await mirror.all()).toHaveLength(4);
    expect(await failedJobs()).toBe(4);

    mirror.spoiled.clear();
    listing.records = whole.filter((_, i) => i !== 4);
    const { runId, ...run } = await uee.run("cve", "full");
    expect(run).toMatchObject({ state: "complete", deadLettered: 0, fetched: 4_099 });
    expect(await mirror.all()).toEqual([]);
    expect(await mirror.letters.stats()).toMatchObject({ total: 0, rawBytes: 0 });
    expect(await failedJobs()).toBe(0);
    expect(await rawKeys()).toEqual([]);
    const told = await uee.engine.history({ provider: "cve", limit: 50 });
    expect(told).toContainEqual(
      expect.objectContaining({ what: "dead letters: settled 4", reason: expect.stringContaining(runId) }),
    );
  });

  test("an accepted one, and not one that it met again", async () => {
    mirror = await startMirror(redis);
    mirror.spoil(3);
    mirror.spoil(4);
    await mirror.uee.run("cve", "full");
    const accepted = (await mirror.all()).find(({ subject }) => subject === mirror.listing.records[3]!.id)!;
    await mirror.letters.accept({ ids: [accepted.id] });
    // Both are met again: nothing is settled.
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    expect(await mirror.all()).toHaveLength(2);
    mirror.mend(3);
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    expect(await subjects()).toEqual([mirror.listing.records[4]!.id]);
  });

  test("by an increment only what that increment received", async () => {
    mirror = await startMirror(redis);
    const { listing, uee } = mirror;
    mirror.spoil(3);
    mirror.spoil(4);
    expect(await uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    const at = new Date().toISOString().slice(0, -1);
    mirror.mend(3);
    listing.records[3] = { ...listing.records[3]!, lastModified: at };
    // Number 4 was modified long ago: the increment's window does not hold it.
    listing.records[4] = { ...listing.records[4]!, lastModified: "2001-01-01T00:00:00.000" };
    expect(await uee.run("cve", "incremental")).toMatchObject({ mode: "incremental", state: "complete" });
    expect(await subjects()).toEqual([listing.records[4]!.id]);
  });
});

describe("a run that was paused on errors, resumed over a mended upstream, ends complete without dead letters", () => {
  const pausesAndResumes = async (mend: () => void): Promise<void> => {
    const { engine } = mirror.uee;
    const { runId } = await engine.openRun({ provider: "cve", mode: "full" });
    const worker = await engine.startWorker();
    try {
      expect(await engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({ state: "paused" });
      mend();
      await engine.resume("cve", { actor: "test", reason: "mended" });
      const run = await engine.waitForRun("cve", runId, { pollMs: 20 });
      expect(run).toMatchObject({ state: "complete", fetched: 4_100, deadLettered: 0, error: null });
      await until(async () => (await failedJobs()) === 0);
    } finally {
      await worker.stop();
    }
    expect(await mirror.all()).toEqual([]);
    const { providers } = await engine.etlTree();
    expect(providers[0]).toMatchObject({ error_count: 0, processed_count: 4_100 });
  };

  test("when records had no id", async () => {
    mirror = await startMirror(redis, { records: 4_100, settings: { errorRate: 0.1 } });
    const whole = makeRecords(4_100);
    mirror.listing.records.forEach((_, i) => {
      if (i % 20 < 4) unname(i);
    });
    await pausesAndResumes(() => {
      mirror.listing.records = whole;
    });
  });

  test("when batches were given up", async () => {
    mirror = await startMirror(redis, { records: 4_100, settings: { errorRate: 0.1 } });
    mirror.spoiled.add(2_000);
    await pausesAndResumes(() => mirror.spoiled.clear());
  });
});
