/**
 * Law 2 (nothing stale): the kept bytes of a bad record, replayed when the provider can read them at last, never bring back
 * what the upstream has removed, and never overwrite what was received after them, changed or not.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { Runs } from "../../src/runs/runs.ts";
import { type Mirror, startMirror } from "../integration/deadLetters/support.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let mirror: Mirror;
const bad = 7;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: 30 });
});
afterEach(() => mirror.close());

const upstream = () => new Map(mirror.listing.records.map((record) => [record.id, record]));
const store = () => exported(mirror.uee.engine, "cve");

/** The provider can read the bytes now; whatever was to be done with the letter is done. */
async function replayAll(): Promise<void> {
  mirror.lenient = true;
  const { runs, done } = await mirror.letters.replay({});
  expect(done).toBe(1);
  expect(await mirror.see(runs[0]!.runId)).toMatchObject({ state: "complete" });
  expect(await mirror.all()).toEqual([]);
}

/** The dead letter is asked to be replayed while this run is open; its replay waits for the run's end. */
async function replayAllDuring(mode: "full" | "incremental", ended: object): Promise<void> {
  const { runId } = await mirror.uee.engine.openRun({ provider: "cve", mode });
  mirror.lenient = true;
  const { runs, done } = await mirror.letters.replay({});
  expect(done).toBe(1);
  expect(await mirror.see(runId)).toMatchObject({ state: "complete", mode, ...ended });
  expect(await mirror.see(runs[0]!.runId)).toMatchObject({ state: "complete" });
  expect(await mirror.all()).toEqual([]);
}

const stopped = async (_runId: string): Promise<void> => void (await mirror.uee.engine.stop("cve"));
const stoppedAndDied = (runId: string): Promise<void> =>
  new Runs(redis.client(), makeKeys("uee").provider("cve")).stop(runId, {
    code: "PROV_STOPPED",
    message: "",
  });

test("a record that was always bad, and is gone upstream, does not come into the store", async () => {
  mirror.spoil(bad);
  expect(await mirror.uee.run("cve")).toMatchObject({ deadLettered: 1 });
  mirror.listing.records.splice(bad, 1);
  await replayAllDuring("full", {});
  expect(await store()).toEqual(upstream());
});

test("a record that was removed since its bytes came stays removed", async () => {
  await mirror.uee.run("cve");
  mirror.spoil(bad);
  expect(await mirror.uee.run("cve", "full")).toMatchObject({ deadLettered: 1, removed: 0 });
  const [gone] = mirror.listing.records.splice(bad, 1);
  await replayAllDuring("full", { removed: 1 });
  expect((await store()).has(gone!.id)).toBe(false);
});

test("a newer version that came since stays", async () => {
  mirror.spoil(bad);
  await mirror.uee.run("cve");
  mirror.mend(bad);
  mirror.listing.records[bad]!.lastModified = new Date().toISOString().slice(0, -1);
  await replayAllDuring("incremental", { created: 1 });
  expect(await store()).toEqual(upstream());
});

test("a version that came back unchanged, and left no trace in the store, stays", async () => {
  await mirror.uee.run("cve");
  mirror.spoil(bad);
  expect(await mirror.uee.run("cve")).toMatchObject({ mode: "incremental", deadLettered: 1, unchanged: 29 });
  mirror.mend(bad);
  await replayAllDuring("incremental", { unchanged: 30 });
  expect(await store()).toEqual(upstream());
});

test.each([
  ["a person stopped that run", (runId: string) => stopped(runId)],
  ["who stopped that run died before anything was noted", (runId: string) => stoppedAndDied(runId)],
])("a version that a run saw come back stays, though %s", async (_name, stop) => {
  await mirror.close();
  mirror = await startMirror(redis, { records: 2100 });
  await mirror.uee.run("cve");
  mirror.spoil(bad);
  await mirror.uee.run("cve");
  mirror.mend(bad);
  let free = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    free = resolve;
  });
  mirror.listing.intercept = async (url) => {
    if (url.searchParams.get("startIndex") === "2000") await held;
    return false;
  };
  const { engine } = mirror.uee;
  const { runId } = await engine.openRun({ provider: "cve", mode: "full" });
  const worker = await engine.startWorker();
  // The first page, with the record, is in; the run never ends.
  await until(async () => (await engine.runProgress("cve", runId)).unchanged === 2000);
  await stop(runId);
  free();
  await worker.stop();
  mirror.listing.intercept = () => false;
  await replayAll();
  expect(await store()).toEqual(upstream());
});

test("what the upstream still has, as it was kept, is written", async () => {
  await mirror.uee.run("cve");
  mirror.spoil(bad);
  await mirror.uee.run("cve", "full");
  // Met again and again: the bytes are as new as their last receipt.
  await mirror.uee.run("cve", "full");
  await replayAll();
  expect(await store()).toEqual(upstream());
});
