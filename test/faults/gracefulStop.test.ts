/**
 * Law 5 (every batch is accounted for): a worker that is told to stop gives its batches back, whatever they
 * are at, spends no attempt of theirs, keeps no permit, and is forgotten by the fleet; others go on from there. How long
 * this takes is measured by the bench `drain`.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { EngineSettings } from "../../src/engine.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { type JobFacts, jobFacts } from "../support/jobFacts.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startWorkerProcess, type WorkerProcess } from "../support/workers.ts";

const RECORDS = 5_000;

let redis: TestRedis;
let proxy: TcpProxy;
let listing: ListingServer;
let uee: TestEngine;
let worker: WorkerProcess;
let settings: EngineSettings;
let count = 0;

beforeAll(async () => {
  redis = await startRedis({});
  proxy = await startTcpProxy({ port: redis.port });
});
afterAll(async () => {
  await proxy.close();
  await redis.stop();
});
beforeEach(async () => {
  listing = await startListing(makeRecords(RECORDS));
  settings = testSettings({
    prefix: `g${count++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  uee = await openTestEngine(redis.url, settings);
  worker = await startWorkerProcess({ url: `redis://127.0.0.1:${proxy.port}`, settings, logs: true });
});
afterEach(async () => {
  proxy.heal();
  proxy.delay(0);
  worker.kill("SIGKILL");
  await worker.ended();
  await uee.close();
  await listing.close();
});

const jobs = (): Promise<JobFacts[]> => jobFacts(uee.redis.commands, settings.prefix, "cve");
const handedOff = async (): Promise<boolean> => (await jobs()).every(({ state }) => state !== "active");

/** Tells the worker to stop, and checks what it leaves. */
async function stopAndCheck(): Promise<void> {
  worker.kill("SIGTERM");
  await until(handedOff);
  await worker.ended();
  expect(worker.process.exitCode).toBe(0);
  const left = await jobs();
  expect(left.some(({ state }) => state === "wait" || state === "delayed")).toBe(true);
  expect(left.filter(({ state, made }) => state !== "completed" && made > 0)).toEqual([]);
  expect((await uee.engine.permits.show()).allocated).toBe(0);
  expect(await uee.engine.workers()).toEqual([]);
  expect(worker.logs.filter(({ event }) => event === "shutdown_late" || event === "shutdown_failed")).toEqual(
    [],
  );
}

/** Another worker does the rest, and every batch has had one attempt in all. */
async function othersGoOn(runId: string): Promise<void> {
  await uee.engine.startWorker();
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 25 });
  expect(run).toMatchObject({ state: "complete", fetched: RECORDS, created: RECORDS, deadLettered: 0 });
  expect(await exported(uee.engine, "cve")).toEqual(new Map(listing.records.map((r) => [r.id, r])));
  await until(async () => (await jobs()).every(({ state }) => state === "completed"));
  expect((await jobs()).filter(({ made }) => made !== 1)).toEqual([]);
}

describe("a worker that is told to stop", () => {
  test("while its upstream is slow to answer breaks the request off", async () => {
    let asked = 0;
    let brokenOff = 0;
    listing.intercept = (_url, response) => {
      asked++;
      response.on("close", () => brokenOff++);
      return true;
    };
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await until(() => asked > 0);
    await stopAndCheck();
    expect(brokenOff).toBe(asked);
    listing.intercept = () => false;
    await othersGoOn(runId);
  });

  test("while an answer trickles in breaks it off", async () => {
    let trickling = 0;
    listing.intercept = (_url, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"resultsPerPage":2000,');
      const timer = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(timer));
      trickling++;
      return true;
    };
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await until(() => trickling > 0);
    await stopAndCheck();
    listing.intercept = () => false;
    await othersGoOn(runId);
  });

  test("while a slow commit is under way ends it after the step that it is in", async () => {
    const committing = worker.reached("commit", "before");
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await committing;
    proxy.delay(40);
    // Some of it is in the store, most of it is not.
    await until(async () => (await uee.engine.runProgress("cve", runId)).created > 0);
    await stopAndCheck();
    const { created } = await uee.engine.runProgress("cve", runId);
    expect(created).toBeLessThan(RECORDS);
    await othersGoOn(runId);
  });

  test("while it waits for its turn at the upstream does not wait any longer", async () => {
    let told = 0;
    listing.intercept = (_url, response) => {
      told++;
      response.writeHead(429, { "retry-after": "3600" });
      response.end();
      return true;
    };
    await uee.engine.openRun({ provider: "cve", mode: "full" });
    await until(async () => told > 0 && (await jobs()).some(({ state }) => state === "delayed"));
    await stopAndCheck();
  });

  test("while Redis is away stops all the same, in bounded time", async () => {
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await worker.reached("fetch", "before");
    proxy.refuse();
    proxy.cut();
    worker.kill("SIGTERM");
    await worker.ended();
    expect(worker.logs.filter(({ event }) => event === "batch_defer").length).toBeGreaterThan(0);
    // Its batches let go by themselves; only what must tell Redis may run into the time-out of its step.
    expect(worker.logs.filter(({ event, step }) => event === "shutdown_late" && step === "batches")).toEqual(
      [],
    );
    proxy.heal();
    await othersGoOn(runId);
  });
});

test("a batch that does not let go is left behind at the deadline, named, and everything else is in order", async () => {
  let letGo: (() => void) | undefined;
  const deaf = idleProvider("deaf", {
    batches: 1,
    takes: () =>
      new Promise<void>((resolve) => {
        letGo = resolve;
      }),
  });
  const held = await openTestEngine(redis.url, { prefix: `g${count++}` }, { providers: [deaf] });
  const handle = await held.engine.startWorker();
  await held.engine.openRun({ provider: "deaf", mode: "full" });
  await until(() => letGo !== undefined);
  const ran: string[] = [];
  handle.onShutdown("mine", () => void ran.push("mine"));
  const { left } = await handle.stop({ deadlineMs: 1_000 });
  expect(left).toEqual([expect.stringMatching(/^batch deaf\/\S+: did not let go; its lock expires$/)]);
  expect(ran).toEqual(["mine"]);
  expect(await held.engine.workers()).toEqual([]);
  letGo?.();
  await held.close();
});
