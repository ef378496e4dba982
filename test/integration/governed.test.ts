import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
  listing = await startListing(makeRecords(9000));
  uee = await openTestEngine(redis.url, {
    permits: 3,
    waitScale: 1,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
});
afterEach(async () => {
  await uee.close();
  await listing.close();
});

const machineNow = async () => (await uee.engine.status()).providers[0]!.machine;

describe("a governed provider", () => {
  test("goes from IDLE through ACQUIRING and RUNNING to TERMINATED, and the fleet with it", async () => {
    expect((await machineNow()).state).toBe("IDLE");
    const run = await uee.run("cve");
    expect(run.state).toBe("complete");
    expect(await machineNow()).toMatchObject({ state: "TERMINATED", reason: "complete" });
    const told = (await uee.engine.history({ provider: "cve", limit: 10 })).map(({ what }) => what).reverse();
    expect(told).toEqual(["IDLE → ACQUIRING", "ACQUIRING → RUNNING", "RUNNING → TERMINATED"]);
  });

  test("is paused by a person in mid-run and goes on from its checkpoint when resumed", async () => {
    let free: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      listing.intercept = async (url) => {
        if (url.searchParams.get("startIndex") !== "4000" || free) return false;
        resolve();
        await new Promise<void>((go) => {
          free = go;
        });
        return false;
      };
    });
    const worker = await uee.engine.startWorker();
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await held;
    // As left behind by a batch that met an open breaker.
    const { run: runKey } = makeKeys("uee").provider("cve").run(runId);
    await uee.redis.commands.hset(runKey, "waitingReason", "PROV_CIRCUIT_OPEN", "waitingUntil", "2099-01-01");
    expect((await uee.engine.runProgress("cve", runId)).waiting).not.toBeNull();
    expect(await uee.engine.pause("cve", { actor: "ann", reason: "maintenance" })).toMatchObject({
      state: "PAUSED",
    });
    const paused = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
    expect(paused).toMatchObject({ state: "paused", error: { code: "PROV_PAUSED" } });
    expect(paused.error?.message).toContain("maintenance (paused by ann)");
    // Whatever it had waited for: it goes on when a person resumes, not by itself.
    expect(paused.waiting).toBeNull();
    await expect(uee.engine.pause("cve")).resolves.toMatchObject({ actor: "ann" });
    await uee.engine.resume("cve", { actor: "bob" });
    free?.();
    expect(await uee.engine.waitForRun("cve", runId, { pollMs: 20 })).toMatchObject({ state: "complete" });
    expect((await exported(uee.engine, "cve")).size).toBe(9000);
    await worker.stop();
  });

  test("that a person stops closes its run as stopped, and the next run may open", async () => {
    let stopped: (() => void) | undefined;
    const held = new Promise<boolean>((resolve) => {
      stopped = () => resolve(false);
    });
    // Every page but the first waits until the run is stopped.
    const second = new Promise<void>((resolve) => {
      listing.intercept = (url) => {
        if (url.searchParams.get("startIndex") === "2000") resolve();
        return url.searchParams.get("startIndex") === "0" ? false : held;
      };
    });
    const worker = await uee.engine.startWorker();
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    await second;
    expect(await uee.engine.stop("cve", { actor: "ann", reason: "wrong day" })).toMatchObject({
      state: "TERMINATED",
    });
    expect(await uee.engine.runProgress("cve", runId)).toMatchObject({
      state: "stopped",
      error: { code: "PROV_STOPPED", message: "stopped by ann: wrong day" },
    });
    stopped?.();
    listing.intercept = () => false;
    const next = await uee.engine.openRun({ provider: "cve", mode: "full" });
    expect(next.runId).not.toBe(runId);
    expect(await uee.engine.waitForRun("cve", next.runId, { pollMs: 20 })).toMatchObject({
      state: "complete",
    });
    await worker.stop();
  });

  test("says that it waits while its upstream wants it to, why and until when", async () => {
    listing.intercept = (url, response) => {
      if (url.searchParams.get("startIndex") !== "2000") return false;
      response.writeHead(429, { "retry-after": "60" }).end();
      return true;
    };
    const worker = await uee.engine.startWorker();
    const { runId } = await uee.engine.openRun({ provider: "cve", mode: "full" });
    const seen = new AbortController();
    await uee.engine
      .waitForRun("cve", runId, {
        pollMs: 20,
        signal: seen.signal,
        onProgress: (now) => {
          if (now.waiting) seen.abort();
        },
      })
      .catch(() => undefined);
    await until(async () => (await machineNow()).state === "WAITING_BACKOFF");
    const now = await machineNow();
    expect(now.reason).toContain("PROV_THROTTLED");
    expect(now.remainingMs).toBeGreaterThan(50_000);
    await worker.stop();
  });

  test("says that it waits for permits when others hold them all, and spends no attempt on it", async () => {
    const { permits } = uee.engine;
    await permits.resize(1, { actor: "ann" });
    const other = await openTestEngine(redis.url, {
      providers: { cwe: { url: listing.url, rate: "unlimited" } },
    });
    await other.close();
    expect(await permits.show()).toMatchObject({ configured: 1, allocated: 0 });
    expect(await permits.audit()).toMatchObject({ findings: [] });
    const run = await uee.run("cve");
    expect(run).toMatchObject({ state: "complete", created: 9000 });
    expect(await permits.show()).toMatchObject({ allocated: 0, waiting: 0 });
  });

  test.each(["resume", "stop"] as const)(
    "refuses to %s what was never started, and names the states that allow it",
    async (action) => {
      await expect(uee.engine[action]("cve")).rejects.toMatchObject({ code: "PROV_ILLEGAL_TRANSITION" });
    },
  );
});
