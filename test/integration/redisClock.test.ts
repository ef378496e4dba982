/** Redis' clock is set back, and forward again, while the fleet works: libfaketime steps the clock of a real server. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { Batches } from "../../src/runs/batches.ts";
import { describeWithFakeClock } from "../support/describeWithFakeClock.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const HOUR = 3_600_000;

describeWithFakeClock("when Redis' clock goes back by an hour and forward again", () => {
  let redis: TestRedis;
  let listing: ListingServer;
  let uee: TestEngine;
  let count = 0;

  beforeAll(async () => {
    redis = await startRedis({ fakeClock: true });
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    redis.setClock(0);
    listing = await startListing(makeRecords(60));
    uee = await openTestEngine(redis.url, {
      prefix: `clock${count++}`,
      providers: { cve: { url: listing.url, rate: "unlimited" } },
    });
  });
  afterEach(async () => {
    await uee.close();
    await listing.close();
  });

  const upstream = () => new Map(listing.records.map((record) => [record.id, record]));

  /** Edits without a new lastModified: only the order of fetches tells which version is the newer one. */
  const edit = (i: number, text: string): void => {
    listing.records[i] = { ...listing.records[i]!, descriptions: [{ value: text }] };
  };

  test("a full run stores what the upstream has now, and calls nothing older", async () => {
    edit(3, "as it was first");
    await uee.run("cve", "full");
    for (const [offset, text] of [
      [-HOUR, "edited after the clock went back"],
      [-2 * HOUR, "edited after it went back once more"],
      [0, "edited after it went forward again"],
    ] as const) {
      redis.setClock(offset);
      edit(3, text);
      const run = await uee.run("cve", "full");
      expect(run).toMatchObject({ state: "complete", updated: 1, requests: 1 });
      expect(await exported(uee.engine, "cve")).toEqual(upstream());
    }
  });

  test("a record that is removed and comes back is there again, and its tombstone holds for what was fetched before", async () => {
    await uee.run("cve", "full");
    redis.setClock(-HOUR);
    const [gone] = listing.records.splice(5, 1);
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", removed: 1 });
    redis.setClock(-2 * HOUR);
    listing.records.push(gone!);
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", created: 1 });
    expect(await exported(uee.engine, "cve")).toEqual(upstream());
  });

  test("changes keep their order in the feed and in `--since`", async () => {
    await uee.run("cve", "full");
    const changed = async () => {
      const found = await uee.engine.records.get(listing.records[0]!.id);
      return found && "record" in found ? Date.parse(found.record.lastChanged) : undefined;
    };
    const before = (await changed())!;
    redis.setClock(-HOUR);
    edit(0, "edited later");
    await uee.run("cve", "full");
    expect(await changed()).toBeGreaterThan(before);
  });

  test("a Redis that forgot its last moments while its clock was behind gives no fence again", async () => {
    await uee.run("cve", "full");
    redis.setClock(-HOUR);
    const keys = makeKeys(`clock${count - 1}`).provider("cve");
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    const [batch] = await uee.redis.commands.hkeys(keys.run(runId).batches);
    const batches = new Batches(uee.redis.commands, keys);
    const written = [keys.meta, keys.run(runId).fences, `${keys.run(runId).run}:work`];
    const before = await Promise.all(written.map((key) => uee.redis.commands.dumpBuffer(key)));
    const first = await batches.begin(runId, batch!, "batch");
    await uee.redis.commands.del(...written);
    for (const [i, key] of written.entries()) {
      if (before[i]) await uee.redis.commands.restore(key, 0, before[i]);
    }
    const second = await batches.begin(runId, batch!, "batch");
    expect([first.kind, second.kind]).toEqual(["begun", "begun"]);
    const fences = [first, second].map((one) => (one.kind === "begun" ? one.attempt.fence : 0));
    expect(fences[0]).not.toBe(fences[1]);
  });

  test("while Redis' clock is right, attempts do not move the provider's clock ahead of it", async () => {
    const keys = makeKeys(`clock${count - 1}`).provider("cve");
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    const [batch] = await uee.redis.commands.hkeys(keys.run(runId).batches);
    for (let i = 0; i < 5; i++) {
      const begun = await new Batches(uee.redis.commands, keys).begin(runId, batch!, "batch");
      const [seconds, micros] = await uee.redis.commands.time();
      expect(begun).toMatchObject({ kind: "begun" });
      if (begun.kind !== "begun") return;
      expect(Number(begun.attempt.fence)).toBeLessThanOrEqual(Number(seconds) * 1e6 + Number(micros));
    }
  });

  test("a dead worker's word ends as soon as any word does", async () => {
    const worker = await uee.engine.startWorker();
    const keys = makeKeys(`clock${count - 1}`);
    redis.setClock(-HOUR);
    // The worker sends nothing more: reading alone limits its heartbeat to the longest allowed.
    const [found] = await uee.engine.liveWorkers();
    expect(found?.id).toBe(worker.id);
    const [seconds] = await uee.redis.commands.time();
    const until = Number(await uee.redis.commands.zscore(keys.workers, worker.id));
    expect(until).toBeLessThanOrEqual((Number(seconds) + 11) * 1_000);
    await worker.stop();
  });
});
