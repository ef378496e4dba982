import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { type CheckResult, OptimizerService } from "../../../src/permits/optimizer/optimizerService.ts";
import { quotaEvents } from "../../../src/permits/optimizer/quotaEvents.ts";
import type { Keys } from "../../../src/redis/keys.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { freshKeys, metricsReader, PoolInMemory, reporter } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

/** Long, so that a slow test machine never breaks a row of checks; `makeDue` lets it pass. */
const INTERVAL_MS = 60_000;

function pod(
  keys: Keys,
  pool: PoolInMemory,
  actor: string,
  options: { coolDownMs?: number; intervalMs?: number } = {},
) {
  return new OptimizerService({
    redis,
    keys,
    pool: pool.pool,
    metrics: metricsReader(redis, keys, pool),
    logger: silentLogger(),
    actor,
    settings: { intervalMs: options.intervalMs ?? INTERVAL_MS, coolDownMs: options.coolDownMs ?? 3_600_000 },
  });
}

/** A check of this pod that counts. */
async function check(service: OptimizerService): Promise<Extract<CheckResult, { kind: "checked" }>> {
  const result = await service.runOnce();
  if (result.kind !== "checked") throw new Error(`the check was ${result.kind}`);
  return result;
}

async function slowOperations(keys: Keys, ms: number): Promise<void> {
  const worker = reporter(redis, keys);
  for (let i = 0; i < 50; i++) worker.sample(ms);
  await worker.runOnce();
}

/** As if one interval had passed since the last check. */
const makeDue = async (keys: Keys) => {
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  await redis.hset(keys.optimizer, "checkedAtMs", now - INTERVAL_MS);
};

describe("the optimizer", () => {
  test("revokes at the second check in a row that finds the fleet slow, and publishes figures and reason", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const service = pod(keys, pool, "w-1");
    await slowOperations(keys, 90);
    expect((await check(service)).decision).toMatchObject({ kind: "hold", healthy: false });
    await slowOperations(keys, 80);
    await makeDue(keys);
    expect((await check(service)).decision).toMatchObject({ kind: "revoke", permits: 2 });
    const reason = "p99 90.0 ms > 30 ms, 2 in a row: 2 of 10 revoked";
    expect(pool.asked).toEqual([`revoke 2: ${reason}`]);
    const { entries } = await quotaEvents(redis, keys, { limit: 10 });
    expect(entries).toEqual([
      {
        id: expect.any(String),
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        kind: "revoke",
        permits: 2,
        reason,
        p99Ms: 90,
        saturation: 0,
        size: 10,
        effective: 10,
        allocated: 10,
        actor: "w-1",
      },
    ]);
  });

  test("revokes nothing for one slow moment, however long it stays among the last 1,000 operations", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const service = pod(keys, pool, "w-1");
    await slowOperations(keys, 90);
    for (let i = 0; i < 6; i++) {
      const { sight } = await check(service);
      expect(sight.p99Ms).toBe(90);
      await slowOperations(keys, 1);
      await makeDue(keys);
    }
    expect(pool.asked).toEqual([]);
  });

  test("gives back what it took when the fleet is well and the cool-down is over", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const service = pod(keys, pool, "w-1", { coolDownMs: 0 });
    pool.effective = 8;
    for (let i = 0; i < 4; i++) {
      await check(service);
      await makeDue(keys);
    }
    expect(pool.asked).toEqual([
      "restore 1: healthy: 1 of 2 missing given back",
      "restore 1: healthy: 1 of 1 missing given back",
    ]);
    expect((await quotaEvents(redis, keys, { limit: 1 })).entries[0]).toMatchObject({
      kind: "restore",
      effective: 9,
    });
  });

  test("checks once an interval, in whichever pod comes first, without forgetting what another one saw", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const pods = ["w-1", "w-2", "w-3"].map((actor) => pod(keys, pool, actor));
    await slowOperations(keys, 90);
    const results = await Promise.all(pods.map((one) => one.runOnce()));
    expect(results.filter(({ kind }) => kind === "checked")).toHaveLength(1);
    const rest = pods.filter((_, i) => results[i]!.kind !== "checked");
    await slowOperations(keys, 90);
    await makeDue(keys);
    expect((await check(rest[0]!)).decision).toMatchObject({ kind: "revoke", permits: 2 });
    expect((await rest[1]!.runOnce()).kind).toBe("too_soon");
  });

  test("does nothing in a pod that slept while another one decided", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const sleeper = pod(keys, pool, "w-1");
    const other = pod(keys, pool, "w-2");
    await slowOperations(keys, 90);
    await check(sleeper);
    await slowOperations(keys, 90);
    await makeDue(keys);
    let asleep = true;
    pool.onShow = async () => {
      if (!asleep) return;
      asleep = false;
      expect(await other.runOnce()).toMatchObject({ kind: "checked", decision: { kind: "revoke" } });
    };
    expect((await sleeper.runOnce()).kind).toBe("lost");
    expect(pool.asked).toHaveLength(1);
    expect((await quotaEvents(redis, keys, { limit: 10 })).entries.map(({ actor }) => actor)).toEqual([
      "w-2",
    ]);
  });

  test("takes two looks at one moment for one check", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const service = pod(keys, pool, "w-1");
    await slowOperations(keys, 90);
    await check(service);
    await slowOperations(keys, 90);
    const results = await Promise.all(Array.from({ length: 5 }, () => service.runOnce()));
    expect(results.map(({ kind }) => kind)).toEqual(Array(5).fill("too_soon"));
    expect(pool.asked).toEqual([]);
  });

  test("checks by itself until it is stopped", async () => {
    const keys = freshKeys();
    const pool = new PoolInMemory();
    const service = pod(keys, pool, "w-1", { intervalMs: 20 });
    const looked = new Promise<void>((resolve) => {
      pool.onShow = async () => resolve();
    });
    service.start();
    await looked;
    await service.stop();
    expect(Number(await redis.hget(keys.optimizer, "version"))).toBeGreaterThanOrEqual(1);
  });
});
