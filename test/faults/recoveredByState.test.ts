/**
 * Laws 1, 7 and 8, hunted with SIGKILL in every state of a provider: the fleet that comes up afterwards goes on where the
 * dead one was. RUNNING resumes, ACQUIRING and WAITING_QUOTA ask again, WAITING_BACKOFF keeps what is left of its wait,
 * PAUSED stays, TERMINATED is left alone.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { silentLogger } from "../../src/core/logger.ts";
import { makePermitPool } from "../../src/permits/permitPool.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

jest.setTimeout(120_000);

const RECORDS = 9_000;
let redis: TestRedis;
let listing: ListingServer;
/** Looks on; works on nothing. */
let uee: TestEngine;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
  listing = await startListing(makeRecords(RECORDS));
  uee = await openTestEngine(redis.url, settings());
});
afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.kill("SIGKILL");
    await worker.ended();
  }
  await uee.close();
  await listing.close();
});

/** A minute of the upstream's wait lasts three seconds here. */
const settings = () =>
  testSettings({ permits: 2, waitScale: 0.05, providers: { cve: { url: listing.url, rate: "unlimited" } } });

async function startWorker(): Promise<WorkerProcess> {
  const worker = await startWorkerProcess({ url: redis.url, settings: settings() });
  workers.push(worker);
  return worker;
}

async function killAll(): Promise<void> {
  for (const worker of workers.splice(0)) {
    worker.kill("SIGKILL");
    await worker.ended();
  }
}

const machine = async () =>
  (await uee.engine.status()).providers.find(({ provider }) => provider === "cve")!.machine;

const reached = (state: string) => until(async () => (await machine()).state === state);

const openFull = () => uee.engine.openRun({ provider: "cve", mode: "full" });

async function expectComplete(runId: string): Promise<void> {
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  expect(run).toMatchObject({ state: "complete", created: RECORDS, deadLettered: 0 });
  expect((await exported(uee.engine, "cve")).size).toBe(RECORDS);
}

describe("a fleet that was killed and comes up again", () => {
  test("resumes a provider that was RUNNING, with fresh permits and from its checkpoint", async () => {
    const worker = await startWorker();
    const { runId } = await openFull();
    await worker.reached("checkpoint", "after");
    await reached("RUNNING");
    await killAll();
    const before = listing.requests.length;
    await startWorker();
    await expectComplete(runId);
    // Five pages in all; at most what was in flight is fetched again.
    expect(listing.requests.length - before).toBeLessThanOrEqual(5);
  });

  test("begins one that was ACQUIRING", async () => {
    const { runId } = await openFull();
    expect((await machine()).state).toBe("ACQUIRING");
    await startWorker();
    await expectComplete(runId);
  });

  test("asks again for one that was WAITING_QUOTA, and gets the permits as soon as others give them back", async () => {
    const keys = makeKeys("uee").permits;
    const pool = makePermitPool({ redis: redis.client(), keys, logger: silentLogger(), leaseMs: 12_000 });
    await pool.seed(2);
    const leases = ["another-1", "another-2"].map((lease) => ({ lease, provider: "cwe" }));
    for (const lease of leases) await pool.acquire(lease);
    const renewals = setInterval(() => void Promise.all(leases.map((lease) => pool.renew(lease))), 3_000);
    try {
      await startWorker();
      const { runId } = await openFull();
      await reached("WAITING_QUOTA");
      await killAll();
      await startWorker();
      expect((await machine()).state).toBe("WAITING_QUOTA");
      expect(listing.requests).toEqual([]);
      clearInterval(renewals);
      for (const lease of leases) await pool.release(lease);
      await expectComplete(runId);
    } finally {
      clearInterval(renewals);
      pool.close();
    }
  });

  test("keeps what is left of the wait of one that was WAITING_BACKOFF, and asks nothing before", async () => {
    let told = 0;
    listing.intercept = (_url, response) => {
      if (told > 0) return false;
      told = Date.now();
      response.writeHead(429, { "retry-after": "60" }).end();
      return true;
    };
    await startWorker();
    const { runId } = await openFull();
    await reached("WAITING_BACKOFF");
    await killAll();
    const { until: end } = await machine();
    let asked = 0;
    listing.intercept = () => {
      asked ||= Date.now();
      return false;
    };
    await startWorker();
    expect(await machine()).toMatchObject({ state: "WAITING_BACKOFF", until: end });
    await expectComplete(runId);
    expect(asked - told).toBeGreaterThanOrEqual(3_000 - 5);
  });

  test("leaves one alone that is PAUSED, until a person resumes it", async () => {
    const worker = await startWorker();
    const { runId } = await openFull();
    await worker.reached("checkpoint", "after");
    await uee.engine.pause("cve", { actor: "ann", reason: "night" });
    await killAll();
    const before = listing.requests.length;
    await startWorker();
    // Another provider's run is worked on meanwhile: the worker is up and takes what it may.
    await until(async () => (await uee.engine.liveWorkers()).length === 1);
    expect(await machine()).toMatchObject({ state: "PAUSED", actor: "ann", reason: "night" });
    expect(listing.requests.length).toBe(before);
    await uee.engine.resume("cve", { actor: "ann" });
    await expectComplete(runId);
  });

  test("starts nothing of one that is TERMINATED", async () => {
    await startWorker();
    const { runId } = await openFull();
    await expectComplete(runId);
    await reached("TERMINATED");
    await killAll();
    const before = await machine();
    const asked = listing.requests.length;
    await startWorker();
    expect(await machine()).toEqual(before);
    expect(listing.requests.length).toBe(asked);
  });
});
