/** What replaying means: of a batch, of a record; in a run that is open, and when its run is closed. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { RunProgress } from "../../../src/engine/api.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported } from "../../support/testEngine.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: 6000 });
});
afterEach(() => mirror.close());

const machineState = async () => (await mirror.uee.engine.status()).providers[0]!.machine.state;

describe("a batch whose run is closed", () => {
  beforeEach(async () => {
    mirror.spoiled.add(2000);
    const run = await mirror.uee.run("cve");
    expect(run).toMatchObject({ state: "incomplete", deadLettered: 1, error: { code: "PROV_BATCH_DEAD" } });
    mirror.listing.requests.length = 0;
  });

  test("is fetched again in a replay run, which loads it and verifies nothing", async () => {
    const [letter] = await mirror.all();
    expect(letter).toMatchObject({
      ...{ kind: "batch", class: "exhausted", state: "dead", code: "PROV_HTML" },
      ...{ batch: "p1/all/0002000", size: 2000, attempts: 8, replays: 0, rawBytes: 0 },
    });
    const [unsettled] = (await mirror.uee.engine.status()).providers;
    expect(unsettled).toMatchObject({ lastRun: { runId: letter!.runId }, lastRunSettled: false });
    mirror.spoiled.clear();
    const report = await mirror.letters.replay({ ids: [letter!.id] }, { actor: "ann", reason: "mended" });
    expect(report).toMatchObject({
      ...{ matched: 1, done: 1, skipped: {} },
      runs: [{ provider: "cve", letters: 1, waitingFor: null }],
    });
    const replaying = {
      state: "replaying",
      replays: 1,
      jobId: null,
      lastAction: { actor: "ann", reason: "mended" },
    };
    expect(await mirror.all()).toMatchObject([replaying]);
    const ended = await mirror.see(report.runs[0]!.runId);
    expect(ended).toMatchObject({
      kind: "replay",
      state: "complete",
      created: 2000,
      requests: 1,
      error: null,
    });
    expect(mirror.listing.requests).toHaveLength(1);
    expect(await mirror.all()).toEqual([]);
    expect((await exported(mirror.uee.engine, "cve")).size).toBe(6000);
    const { providers } = await mirror.uee.engine.status();
    expect(providers[0]).toMatchObject({
      verified: false,
      watermark: null,
      lastRun: { runId: letter!.runId, state: "incomplete" },
      lastRunSettled: true,
      lastReplay: { runId: report.runs[0]!.runId, state: "complete" },
    });
    // It lies in no run any more, and the run that lost it may be forgotten.
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "complete", unchanged: 6000 });
  });

  test("that fails again is a dead letter again, with one replay more and its first failure", async () => {
    const [before] = await mirror.all();
    const { runs } = await mirror.letters.replay({ ids: [before!.id] });
    expect(await mirror.see(runs[0]!.runId)).toMatchObject({
      state: "incomplete",
      error: { code: "PROV_BATCH_DEAD" },
    });
    const [after, ...others] = await mirror.all();
    expect(others).toEqual([]);
    expect(after).toMatchObject({
      ...{ id: before!.id, state: "dead", class: "exhausted", attempts: 8, replays: 1, replayRunId: null },
      ...{ runId: before!.runId, batch: before!.batch, firstFailedAt: before!.firstFailedAt },
    });
    expect(after!.lastFailedAt > before!.lastFailedAt).toBe(true);
    expect(after!.jobId).not.toBe(before!.jobId);
    expect((await mirror.uee.engine.status()).providers[0]!.jobs.failed).toBe(1);
    // And again, now with success.
    mirror.spoiled.clear();
    const second = await mirror.letters.replay({});
    expect(await mirror.see(second.runs[0]!.runId)).toMatchObject({ state: "complete", created: 2000 });
    expect(await mirror.all()).toEqual([]);
  });

  test("waits for the run that is open, and begins by itself when that is over", async () => {
    mirror.spoiled.clear();
    const { runId } = await mirror.uee.engine.openRun({ provider: "cve", mode: "full" });
    const report = await mirror.letters.replay({});
    expect(report.runs).toMatchObject([{ waitingFor: `the run ${runId} is open` }]);
    const worker = await mirror.uee.engine.startWorker();
    expect(await mirror.uee.engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({
      state: "complete",
    });
    mirror.listing.requests.length = 0;
    const replay = report.runs[0]!.runId;
    // That run was verified and covers it: there is nothing left to fetch.
    expect(await mirror.uee.engine.waitForRun("cve", replay, { pollMs: 20 })).toMatchObject({
      state: "complete",
    });
    expect(mirror.listing.requests).toEqual([]);
    expect(await mirror.all()).toEqual([]);
    await worker.stop();
  });

  test("keeps other runs from opening while it is replayed, as any open run of another kind", async () => {
    mirror.spoiled.clear();
    const { runs } = await mirror.letters.replay({});
    await expect(mirror.uee.engine.openRun({ provider: "cve", mode: "incremental" })).rejects.toMatchObject({
      code: "PROV_RUN_OPEN",
    });
    const worker = await mirror.uee.engine.startWorker();
    const opened = await mirror.uee.engine.openRunWhenPossible({ provider: "cve", mode: "incremental" }, {});
    expect(opened).toMatchObject({ joined: false });
    expect(await mirror.uee.engine.runProgress("cve", runs[0]!.runId)).toMatchObject({ state: "complete" });
    await mirror.uee.engine.waitForRun("cve", opened.runId, { pollMs: 20 });
    await worker.stop();
  });

  test("waits while its provider is paused, and begins when a person resumes", async () => {
    mirror.spoiled.clear();
    await mirror.uee.engine.pause("cve", { reason: "night" });
    const { runs } = await mirror.letters.replay({});
    expect(runs).toMatchObject([{ waitingFor: "the provider is paused" }]);
    const worker = await mirror.uee.engine.startWorker();
    await mirror.uee.engine.resume("cve");
    expect(await mirror.uee.engine.waitForRun("cve", runs[0]!.runId, { pollMs: 20 })).toMatchObject({
      state: "complete",
      created: 2000,
    });
    await worker.stop();
  });

  test("is a dead letter as before when a person stops the replay", async () => {
    const { runs } = await mirror.letters.replay({});
    expect(await mirror.all()).toMatchObject([{ state: "replaying" }]);
    await mirror.uee.engine.stop("cve");
    expect(await mirror.uee.engine.runProgress("cve", runs[0]!.runId)).toMatchObject({ state: "stopped" });
    expect(await mirror.all()).toMatchObject([{ state: "dead", replays: 1, code: "PROV_HTML" }]);
    mirror.spoiled.clear();
    const again = await mirror.letters.replay({});
    expect(await mirror.see(again.runs[0]!.runId)).toMatchObject({ state: "complete", created: 2000 });
  });
});

describe("a batch whose run is open", () => {
  let runId: string;

  beforeEach(async () => {
    await mirror.close();
    // One page of three is more than a tenth: the provider pauses, and its run stays open.
    mirror = await startMirror(redis, { records: 6000, settings: { errorRate: 0.1 } });
    mirror.spoiled.add(2000);
    const run = await mirror.uee.run("cve");
    expect(run).toMatchObject({ state: "paused", error: { code: "PROV_ERROR_RATE" } });
    runId = run.runId;
  });

  const resumeAndSee = async (): Promise<RunProgress> => {
    await mirror.uee.engine.resume("cve");
    return await mirror.see(runId);
  };

  test("is planned there again, and the run ends complete and verified", async () => {
    mirror.spoiled.clear();
    const report = await mirror.letters.replay({}, { actor: "ann" });
    expect(report.runs).toEqual([{ provider: "cve", runId, letters: 1, waitingFor: null }]);
    const run = await resumeAndSee();
    expect(run).toMatchObject({
      state: "complete",
      created: 6000,
      deadLettered: 0,
      error: null,
      batchesDone: 3,
    });
    expect(run.checkpoint).toBe(`v2e::nvd::cve::${mirror.listing.records[5999]!.id}`);
    expect((await mirror.uee.engine.status()).providers[0]).toMatchObject({ verified: true });
    expect(await mirror.all()).toEqual([]);
  });

  test("counts as one error, not two, when it fails there again", async () => {
    await mirror.letters.replay({});
    const { providers: before } = await mirror.uee.engine.etlTree();
    expect(before[0]).toMatchObject({ error_count: 0 });
    expect(await resumeAndSee()).toMatchObject({ state: "incomplete", deadLettered: 1 });
    const { providers } = await mirror.uee.engine.etlTree();
    expect(providers[0]).toMatchObject({ error_count: 2000, processed_count: 6000 });
    expect(await mirror.all()).toMatchObject([{ state: "dead", replays: 1, runId }]);
  });

  test("takes what was forgiven at a resume back with it: later errors do not hide behind it", async () => {
    const run = `{uee:cve}:run:${runId}`;
    // As a resume leaves it.
    await redis.client().hset(run, { errorBaseErrors: 2000, errorBaseProcessed: 6000 });
    await mirror.letters.replay({});
    expect(await redis.client().hmget(run, "errorBaseErrors", "errorBaseProcessed")).toEqual(["0", "4000"]);
  });
});

describe("a bad record", () => {
  const bad = 7;

  beforeEach(async () => {
    await mirror.close();
    mirror = await startMirror(redis, { records: 20 });
    mirror.spoil(bad);
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "incomplete", created: 19, deadLettered: 1 });
  });

  test("is read again from its kept bytes, without asking the upstream", async () => {
    const [letter] = await mirror.all();
    expect(letter).toMatchObject({
      kind: "record",
      class: "bad-record",
      subject: mirror.listing.records[bad]!.id,
    });
    mirror.lenient = true;
    mirror.listing.requests.length = 0;
    const { runs } = await mirror.letters.replay({});
    expect(await mirror.see(runs[0]!.runId)).toMatchObject({ state: "complete", created: 1, requests: 0 });
    expect(mirror.listing.requests).toEqual([]);
    expect((await exported(mirror.uee.engine, "cve")).get(letter!.subject)).toEqual(
      mirror.listing.records[bad],
    );
    expect(await mirror.all()).toEqual([]);
    expect(await redis.client().keys("*bad-record*")).toEqual([]);
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "complete" });
  });

  test("that is still bad is the same dead letter, and its replay pauses no provider", async () => {
    const [before] = await mirror.all();
    const { runs } = await mirror.letters.replay({});
    expect(await mirror.see(runs[0]!.runId)).toMatchObject({ state: "incomplete", deadLettered: 0 });
    expect(await mirror.all()).toMatchObject([
      {
        id: before!.id,
        state: "dead",
        replays: 1,
        firstFailedAt: before!.firstFailedAt,
        rawBytes: before!.rawBytes,
      },
    ]);
    expect(await machineState()).toBe("TERMINATED");
    // Met again it is no second one.
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "incomplete", deadLettered: 1 });
    expect(await mirror.all()).toMatchObject([{ replays: 1 }]);
  });
});
