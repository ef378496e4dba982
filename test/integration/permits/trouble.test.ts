/** The pool while Redis restarts, forgets, is full or away. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { makeKeys } from "../../../src/redis/keys.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { granted, refused, testPool } from "./support.ts";

let server: TestRedis;
let redis: Redis;
const failFast = { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false };

beforeEach(async () => {
  server = await startRedis({ appendonly: true });
  redis = server.client(failFast);
});
afterEach(() => server.stop());

async function back(client: Redis): Promise<void> {
  while (!(await client.ping().catch(() => ""))) await new Promise((done) => setTimeout(done, 20));
}

describe("a Redis that restarted", () => {
  test("grants nothing for one lease, though permits are free, and says so; then it does", async () => {
    const pool = testPool(redis, { size: 2, leaseMs: 3_000, prefix: "restart" });
    const before = await granted(pool, { lease: "a", provider: "cve" });
    await server.restart();
    await back(redis);
    expect(await refused(pool, { lease: "b", provider: "cve" })).toMatchObject({ reason: "restart" });
    expect((await pool.show()).holdUntil).toBeGreaterThan(before.expiresAt - 3_000);
    // Who holds goes on.
    await pool.renew({ lease: "a" });
    const after = await granted(pool, { lease: "b", provider: "cve", waitMs: 30_000, waiter: "b" });
    // Its lease began when every lease that may have been forgotten had ended by its holder's clock.
    expect(after.expiresAt - 3_000).toBeGreaterThanOrEqual(before.expiresAt - 3_000 + 3_000);
    expect((await pool.verdict()).violations).toEqual([]);
  });

  test("grants at once after a clean stop", async () => {
    const pool = testPool(redis, { size: 2, prefix: "clean" });
    await granted(pool, { lease: "a", provider: "cve" });
    const [seconds, micros] = await redis.time();
    await redis.set("uee:clean-stop", String(Number(seconds) * 1e6 + Number(micros)));
    // Uptime is in whole seconds: the new start is taken for up to one second later than it was.
    await server.restart();
    await back(redis);
    await granted(pool, { lease: "b", provider: "cve" });
  });

  test("that lost everything grants nothing to newcomers while one lives that held a permit before", async () => {
    await server.stop();
    server = await startRedis();
    redis = server.client(failFast);
    const pool = testPool(redis, { size: 1, leaseMs: 12_000, prefix: "lost" });
    const held = await granted(pool, { lease: "a", provider: "cve" });
    await server.restart();
    await back(redis);
    const newcomer = testPool(server.client(failFast), { size: 1, leaseMs: 12_000, prefix: "lost" });
    const { pool: key } = makeKeys("lost").permits;
    while (!(await redis.exists(key))) await new Promise((done) => setTimeout(done, 5));
    expect(await refused(newcomer, { lease: "b", provider: "cve" })).toMatchObject({ reason: "restart" });
    await expect(pool.renew(held)).rejects.toMatchObject({ code: "PERM_LEASE_LOST" });
  });
});

test("a Redis out of memory still renews, takes permits back and lets the size be lowered", async () => {
  const pool = testPool(redis, { size: 3 });
  for (const lease of ["a", "b"]) await granted(pool, { lease, provider: "cve" });
  await redis.call("CONFIG", "SET", "maxmemory", "1");
  await expect(redis.set("x", "y")).rejects.toThrow(/OOM/);
  expect(await pool.renew({ lease: "a" })).toMatchObject({ mayKeep: true });
  expect(await pool.release({ lease: "b" })).toBe(true);
  expect(await pool.resize(1, { actor: "test", reason: "full" })).toMatchObject({
    effective: 1,
    allocated: 1,
  });
  expect(await pool.show()).toMatchObject({ allocated: 1, configured: 1 });
  await expect(pool.acquire({ lease: "c", provider: "cve" })).rejects.toMatchObject({
    code: "SYS_REDIS_TROUBLE",
  });
  await redis.call("CONFIG", "SET", "maxmemory", "0");
  expect((await pool.audit({ repair: false, actor: "test" })).drift).toBe(0);
});

test("a Redis that is away fails an acquire with its own code, and the same lease asks again", async () => {
  const pool = testPool(redis, { size: 1, leaseMs: 500 });
  await granted(pool, { lease: "a", provider: "cve" });
  await server.kill();
  await expect(pool.acquire({ lease: "b", provider: "cve" })).rejects.toMatchObject({
    code: "SYS_REDIS_UNREACHABLE",
  });
  await server.restart();
  await back(redis);
  await granted(pool, { lease: "b", provider: "cve", waitMs: 30_000 });
});
