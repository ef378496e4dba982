/** A batch that failed is told while it is tried again, not only once it is dead. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { WorkerHandle } from "../../src/engine/api.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { Batches } from "../../src/runs/batches.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let worker: WorkerHandle | undefined;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
  listing = await startListing(makeRecords(5000));
  uee = await openTestEngine(redis.url, {
    // Long enough to be seen between two attempts.
    waitScale: 2,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
});
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await uee.close();
  await listing.close();
});

const fieldsOf = (runId: string): Promise<string[]> =>
  uee.redis.commands.hkeys(makeKeys("uee").provider("cve").run(runId).run);

describe("a batch that failed and is tried again", () => {
  test("is told with its error, its attempt and when the next comes, until it is committed", async () => {
    let broken = true;
    listing.intercept = (url, response) => {
      if (url.searchParams.get("startIndex") !== "2000" || !broken) return false;
      response.writeHead(404).end();
      return true;
    };
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    worker = await uee.engine.startWorker();
    const retrying = async () => (await uee.engine.runProgress("cve", runId)).retrying;
    await until(async () => (await retrying())[0]?.attempt === 2);
    const [note] = await retrying();
    expect(note).toMatchObject({
      batch: expect.any(String),
      code: "PROV_NOT_FOUND",
      message: `The upstream answered 404 (${listing.url}).`,
      // A bare 404 is given up sooner than others.
      attempts: 5,
    });
    expect(Date.parse(note!.nextAt)).toBeGreaterThan(Date.now() - 10_000);
    const [run] = await uee.engine.runs({ provider: "cve", limit: 1 });
    expect(run!.retrying[0]?.batch).toBe(note!.batch);
    const [provider] = (await uee.engine.status()).providers;
    expect(provider!.openRun!.retrying[0]?.batch).toBe(note!.batch);
    broken = false;
    const ended = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
    expect(ended).toMatchObject({ state: "complete", retrying: [] });
    expect((await fieldsOf(runId)).filter((field) => field.startsWith("retry"))).toEqual([]);
  });

  test("comes again when it was told to", async () => {
    const asked: number[] = [];
    listing.intercept = (url, response) => {
      if (url.searchParams.get("startIndex") !== "2000") return false;
      asked.push(Date.now());
      if (asked.length > 2) return false;
      response.writeHead(404).end();
      return true;
    };
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    worker = await uee.engine.startWorker();
    const told = async () => {
      const [note] = (await uee.engine.runProgress("cve", runId)).retrying;
      return note?.attempt === 2 ? Date.parse(note.nextAt) : undefined;
    };
    await until(async () => (await told()) !== undefined);
    const nextAt = (await told())!;
    await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
    // The redis-server runs on this machine: one clock. Late by what the machine is slow, never early.
    expect(asked[2]!).toBeGreaterThanOrEqual(nextAt - 5);
  });

  test("is forgotten when the run is stopped, and of very many only some are noted", async () => {
    const batches = new Batches(uee.redis.commands, makeKeys("uee").provider("cve"));
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    for (let n = 0; n < 30; n++) {
      const note = { batch: `b${n}`, code: "PROV_HTML", message: "x".repeat(5_000), attempt: 1, attempts: 8 };
      await batches.noteRetry(runId, { ...note, delayMs: 60_000 - 1_000 * n });
    }
    const { retrying } = await uee.engine.runProgress("cve", runId);
    expect(retrying).toHaveLength(20);
    expect(retrying[0]).toMatchObject({ batch: "b19", message: "x".repeat(500) });
    // One that is noted already may be noted again.
    await batches.noteRetry(runId, {
      ...{ batch: "b0", code: "PROV_HTML", message: "again", attempt: 2, attempts: 8, delayMs: 1 },
    });
    expect((await uee.engine.runProgress("cve", runId)).retrying[0]).toMatchObject({
      batch: "b0",
      attempt: 2,
    });
    await uee.engine.stop("cve");
    expect((await fieldsOf(runId)).filter((field) => field.startsWith("retry"))).toEqual([]);
    await batches.noteRetry(runId, {
      ...{ batch: "late", code: "PROV_HTML", message: "late", attempt: 2, attempts: 8, delayMs: 1 },
    });
    expect((await uee.engine.runProgress("cve", runId)).retrying).toEqual([]);
  });
});
