/** Holding a permit while work goes on. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { holdPermit, isWaiting, type PermitHolder } from "../../../src/permits/permitHolder.ts";
import type { PermitPool, PermitRequest } from "../../../src/permits/permitPool.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { testPool } from "./support.ts";

let server: TestRedis;
let redis: Redis;
const by = { actor: "test", reason: "test" };

beforeAll(async () => {
  server = await startRedis();
  redis = server.client({ maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false });
  redis.setMaxListeners(0);
});
afterAll(() => server.stop());

async function hold(pool: PermitPool, request: PermitRequest): Promise<PermitHolder> {
  const got = await holdPermit(pool, request);
  if (isWaiting(got)) throw new Error(`${request.lease} got nothing`);
  return got;
}

const aborted = async (signal: AbortSignal): Promise<unknown> => {
  if (!signal.aborted) await once(signal, "abort");
  return signal.reason;
};

describe("a holder", () => {
  test("keeps its permit for many lives of a lease, and gives it back when the work is done", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 2_500 });
    const permit = await hold(pool, { lease: "a", provider: "cve" });
    const first = (await pool.show()).holders[0]!;
    let now = first;
    while (now.expiresAt < first.expiresAt + 2 * 2_500) {
      await sleep(20);
      now = (await pool.show()).holders[0]!;
      expect(now.fence).toBe(permit.fence);
    }
    expect(permit.signal.aborted).toBe(false);
    permit.release();
    expect((await pool.show()).allocated).toBe(0);
    expect(await pool.verdict()).toMatchObject({ violations: [], grants: 1, lapsed: 0 });
  });

  test("is told when its lease has ended in the pool", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 300 });
    const holder = await hold(pool, { lease: "a", provider: "cve" });
    await redis.del(pool.keys.leases);
    expect(await aborted(holder.signal)).toMatchObject({ code: "PERM_LEASE_LOST" });
    holder.release();
  });

  test("counts its deadline on the monotonic clock, whatever the wall clock says", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 12_000, monotonic: () => 1_000 });
    const wall = jest.spyOn(Date, "now").mockReturnValue(9e15);
    const holder = await hold(pool, { lease: "a", provider: "cve" });
    wall.mockRestore();
    expect(holder.deadline).toBe(13_000);
    holder.release();
  });

  test("counts its deadline from before it asked, so that a slow answer never makes it believe too long", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 2_000 });
    await server.kill("SIGSTOP");
    const asking = hold(pool, { lease: "a", provider: "cve" });
    await sleep(20);
    const resumedAt = performance.now();
    await server.kill("SIGCONT");
    const holder = await asking;
    expect(holder.deadline).toBeLessThan(resumedAt + 2_000);
    holder.release();
  });

  test("goes on while Redis is away for less than its lease, and ends when it is away for longer", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 5_000 });
    const holder = await hold(pool, { lease: "a", provider: "cve" });
    const first = holder.deadline;
    await server.kill("SIGSTOP");
    // Away until a renewal, which is due after a third of the lease, waits for its answer.
    while (holder.deadline === first && redis.commandQueue.length === 0) await sleep(10);
    await server.kill("SIGCONT");
    while (holder.deadline === first && !holder.signal.aborted) await sleep(10);
    expect(holder.signal.aborted).toBe(false);
    await server.kill("SIGSTOP");
    const reason = await aborted(holder.signal);
    const late = performance.now() - holder.deadline;
    await server.kill("SIGCONT");
    expect(reason).toMatchObject({ code: "PERM_LEASE_LOST" });
    expect(late).toBeGreaterThanOrEqual(-1);
    holder.release();
  });
});

describe("a holder whose permit is asked back", () => {
  test("learns it, may finish within the grace, and its permit is free when it gives it back", async () => {
    const pool = testPool(redis, { size: 2, leaseMs: 2_500, graceMs: 60_000 });
    const [, second] = [
      await hold(pool, { lease: "a", provider: "cve" }),
      await hold(pool, { lease: "b", provider: "cve" }),
    ];
    await pool.resize(1, by);
    expect(await aborted(second.windDown)).toMatchObject({ code: "PERM_REVOKED", class: "deferred" });
    expect(second.signal.aborted).toBe(false);
    second.release();
    expect(await pool.show()).toMatchObject({ allocated: 1, effective: 1 });
    await pool.release({ lease: "a" });
  });

  test("that does not give it back loses it when the grace is over", async () => {
    const pool = testPool(redis, { size: 2, leaseMs: 2_500, graceMs: 500 });
    const first = await hold(pool, { lease: "a", provider: "cve" });
    const stubborn = await hold(pool, { lease: "b", provider: "cve" });
    await pool.resize(1, by);
    expect(await aborted(stubborn.signal)).toMatchObject({ code: "PERM_LEASE_LOST" });
    expect(first.signal.aborted).toBe(false);
    first.release();
    stubborn.release();
    expect((await pool.verdict()).violations).toEqual([]);
  });
});
