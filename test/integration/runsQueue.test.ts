import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Queue, QueueEvents } from "bullmq";
import { checkFleet } from "../../src/cli/doctor/checks.ts";
import { fleetProblems } from "../../src/session/problems.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let queue: Queue;
let events: QueueEvents;

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(30));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});
beforeEach(async () => {
  const connection = { url: redis.url, maxRetriesPerRequest: null };
  await redis.client().flushall();
  uee = await openTestEngine(redis.url, { providers: { cve: { url: listing.url, rate: "unlimited" } } });
  // What any script has: the queue's name and prefix of the contract, and nothing of UEE.
  queue = new Queue("runs", { prefix: "{uee}", connection });
  events = new QueueEvents("runs", { prefix: "{uee}", connection });
  await events.waitUntilReady();
});
afterEach(async () => {
  await events.close();
  await queue.close();
  await uee.close();
});

describe("a job that a script puts into `runs`", () => {
  test("completes with the id of the run that it opened, and the run goes on to its end", async () => {
    await uee.engine.startWorker();
    const job = await queue.add("run", { provider: "cve", mode: "full" });
    const { runId } = await job.waitUntilFinished(events, 60_000);
    expect(await uee.engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({
      state: "complete",
      created: 30,
    });
  });

  test("waits while the queue was left paused, which status and doctor tell; a worker resumes it", async () => {
    await queue.pause();
    const job = await queue.add("run", { provider: "cve", mode: "full" });
    const status = await uee.engine.status();
    expect(status).toMatchObject({ runsPaused: true, stranded: true });
    expect(fleetProblems(status).map(({ kind }) => kind)).toContain("runs_paused");
    expect([...checkFleet(status)]).toContainEqual(
      expect.objectContaining({ check: "queue runs", verdict: "problem" }),
    );
    await uee.engine.startWorker();
    expect(await job.waitUntilFinished(events, 60_000)).toMatchObject({ runId: expect.any(String) });
    expect(await uee.engine.status()).toMatchObject({ runsPaused: false });
  });

  test("joins the open run", async () => {
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    const job = await queue.add("run", { provider: "cve", mode: "full" });
    // The run stays open until the job has ended.
    const ended = job.waitUntilFinished(events, 60_000);
    listing.intercept = async () => {
      await ended.catch(() => undefined);
      return false;
    };
    await uee.engine.startWorker();
    expect(await ended).toEqual({ runId });
    listing.intercept = () => false;
  });

  test.each([
    ["an unknown provider", "run", { provider: "cpe", mode: "full" }, "PROV_UNKNOWN"],
    ["an unknown mode", "run", { provider: "cve", mode: "half" }, "RPC_JOB_INVALID"],
    ["no data", "run", null, "RPC_JOB_INVALID"],
    ["more than it should", "run", { provider: "cve", mode: "full", url: "http://x" }, "RPC_JOB_INVALID"],
    ["another name", "sync", { provider: "cve", mode: "full" }, "RPC_JOB_UNKNOWN"],
  ])("with %s fails at once with a code", async (_name, jobName, data, code) => {
    await uee.engine.startWorker();
    const job = await queue.add(jobName, data, { attempts: 5 });
    await expect(job.waitUntilFinished(events, 60_000)).rejects.toThrow(code);
    expect((await queue.getJob(job.id!))?.attemptsMade).toBe(1);
  });

  test("waits without a worker, and status says so", async () => {
    await queue.add("run", { provider: "cve", mode: "incremental" });
    expect(await uee.engine.status()).toMatchObject({ stranded: true, workers: [] });
    const worker = await uee.engine.startWorker();
    expect(await uee.engine.status()).toMatchObject({ stranded: false });
    await worker.stop();
  });
});
