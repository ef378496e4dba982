import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { percentile } from "../../../src/permits/optimizer/kernelMetrics.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { freshKeys, metricsReader, PoolInMemory, reporter } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

/** A minute and a bucket ago, by Redis' time, in the form in which buckets are kept. */
const bucketNow = async (): Promise<number> => Math.floor(Number((await redis.time())[0]) / 5);

describe("kernel metrics", () => {
  test("of a fleet that has done nothing are all there, and zero", async () => {
    const metrics = await metricsReader(redis, freshKeys(), new PoolInMemory(), []).kernelMetrics();
    expect(metrics).toEqual({
      p99_latency_ms: 0,
      buffer_saturation: 0,
      active_workers: 0,
      total_permits: 10,
      allocated_permits: 10,
      available_permits: 0,
      message_rate: 0,
      error_rate: 0,
    });
  });

  test("take the 99th percentile over the fleet's last 1,000 operations of the last minutes, whichever worker did them", async () => {
    const keys = freshKeys();
    const workers = ["a", "b", "c"].map((id) => reporter(redis, keys, id));
    for (let i = 0; i < 1_200; i++) workers[i % 3]!.sample(1_000);
    for (const worker of workers) await worker.runOnce();
    // These push all of the slow ones out.
    for (let i = 1; i <= 1_000; i++) workers[i % 3]!.sample(i / 10);
    for (const worker of workers) await worker.runOnce();
    const figures = await metricsReader(redis, keys).figures();
    expect(figures.samples).toHaveLength(1_000);
    expect(figures.samplesTaken).toBe(2_200);
    expect(figures.p99Ms).toBe(99);
  });

  test("forget operations after five minutes: an idle fleet is not slow", async () => {
    const keys = freshKeys();
    const worker = reporter(redis, keys);
    for (let i = 0; i < 50; i++) worker.sample(900);
    await worker.runOnce();
    const reader = metricsReader(redis, keys);
    expect((await reader.kernelMetrics()).p99_latency_ms).toBe(900);
    const kept = await redis.lrange(keys.controlSamples, 0, -1);
    const aged = kept.map((sample) => sample.replace(/^\d+/, (at) => String(Number(at) - 301_000)));
    await redis.del(keys.controlSamples);
    await redis.rpush(keys.controlSamples, ...aged);
    expect((await reader.kernelMetrics()).p99_latency_ms).toBe(0);
    worker.sample(2);
    await worker.runOnce();
    expect((await reader.figures()).samples).toEqual([2]);
  });

  test("leave out what a live worker has not told for a while: the optimizer acts on fresh figures", async () => {
    const keys = freshKeys();
    const [seconds] = await redis.time();
    await redis.hset(keys.workerLoads, "w-1", `${(Number(seconds) - 16) * 1_000} 95 100`);
    expect((await metricsReader(redis, keys).kernelMetrics()).buffer_saturation).toBe(0);
  });

  test("time an operation as its caller feels it, also one that fails", async () => {
    const keys = freshKeys();
    const worker = reporter(redis, keys);
    expect(await worker.timed(async () => 7)).toBe(7);
    await expect(worker.timed(() => Promise.reject(new Error("MISCONF")))).rejects.toThrow("MISCONF");
    await worker.runOnce();
    const { samples } = await metricsReader(redis, keys).figures();
    expect(samples).toHaveLength(2);
    for (const ms of samples) expect(ms).toBeGreaterThanOrEqual(0);
  });

  test("sum the buffers of the workers that live, and of no other", async () => {
    const keys = freshKeys();
    await reporter(redis, keys, "w-1", () => ({ buffered: 90, bound: 100 })).runOnce();
    await reporter(redis, keys, "w-2", () => ({ buffered: 30, bound: 100 })).runOnce();
    await reporter(redis, keys, "dead", () => ({ buffered: 500, bound: 500 })).runOnce();
    const reader = metricsReader(redis, keys, new PoolInMemory(), ["w-1", "w-2", "silent"]);
    expect(await reader.kernelMetrics()).toMatchObject({ buffer_saturation: 0.6, active_workers: 3 });
  });

  test("forget a worker that stopped at once, and the report of a dead one after a minute", async () => {
    const keys = freshKeys();
    const leaving = reporter(redis, keys, "w-1");
    leaving.start();
    await leaving.runOnce();
    await leaving.stop();
    const minuteAgo = Number((await redis.time())[0]) * 1000 - 61_000;
    await redis.hset(keys.workerLoads, "dead", `${minuteAgo} 5 5`);
    await reporter(redis, keys, "young").runOnce();
    await metricsReader(redis, keys, new PoolInMemory(), []).figures();
    expect(await redis.hkeys(keys.workerLoads)).toEqual(["young"]);
  });

  test("count messages and errors per second over the last minute, and keep no more than that", async () => {
    const keys = freshKeys();
    // Whole buckets of the past; what is counted now goes into a bucket that is still being filled.
    const current = await bucketNow();
    for (let age = 1; age <= 11; age++)
      await redis.hset(keys.fleetCounts, `bucket:${(current - age) % 16}`, `${current - age} 30 3`);
    await redis.hset(keys.fleetCounts, `bucket:${(current - 14) % 16}`, `${current - 14} 9000 9000`);
    const { messageRate, errorRate } = await metricsReader(redis, keys).figures();
    // The current bucket may have turned meanwhile: nothing of these eleven leaves the minute by one turn.
    expect(messageRate).toBeCloseTo((11 * 30) / 60);
    expect(errorRate).toBeCloseTo((11 * 3) / 60);
  });

  test("add up what several workers count in the same moment, and take over the place of an old bucket", async () => {
    const keys = freshKeys();
    const current = await bucketNow();
    for (let place = 0; place < 16; place++)
      await redis.hset(keys.fleetCounts, `bucket:${place}`, `${current - 160 + place} 77 77`);
    const workers = ["a", "b"].map((id) => reporter(redis, keys, id));
    for (let i = 0; i < 10; i++) for (const worker of workers) worker.countMessage("cve", i === 0);
    for (const worker of workers) await worker.runOnce();
    const buckets = Object.entries(await redis.hgetall(keys.fleetCounts))
      .filter(([name]) => name.startsWith("bucket:"))
      .map(([, text]) => text.split(" ").map(Number));
    const recent = buckets.filter(([bucket]) => bucket! >= current);
    expect(recent.reduce((sum, [, messages]) => sum + messages!, 0)).toBe(20);
    expect(recent.reduce((sum, [, , errors]) => sum + errors!, 0)).toBe(2);
    expect(buckets).toHaveLength(16);
  });

  test("lose nothing that Redis did not take, and hold no more than 1,000 samples meanwhile", async () => {
    const keys = freshKeys();
    const client = server.client({ lazyConnect: true, enableOfflineQueue: false });
    await client.connect();
    const worker = reporter(client, keys);
    const ended = once(client, "end");
    client.disconnect();
    await ended;
    for (let i = 0; i < 1_500; i++) worker.sample(i);
    worker.countMessage("cve", true);
    await expect(worker.runOnce()).rejects.toThrow();
    await client.connect();
    await worker.runOnce();
    const { samples, samplesTaken } = await metricsReader(redis, keys).figures();
    expect([samplesTaken, samples[0], samples.at(-1)]).toEqual([1_000, 1_499, 500]);
    const told = Object.entries(await redis.hgetall(keys.fleetCounts)).filter(([name]) =>
      name.startsWith("bucket"),
    );
    expect(told.map(([, text]) => text.split(" ").slice(1))).toEqual([["1", "1"]]);
  });
});

describe("the nearest-rank percentile", () => {
  test("is the smallest value that 99 % are not above", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 300 }), (values) => {
        const found = percentile(values, 0.99);
        const notAbove = (limit: number) => values.filter((value) => value <= limit).length / values.length;
        expect(values).toContain(found);
        expect(notAbove(found)).toBeGreaterThanOrEqual(0.99);
        for (const value of values) if (value < found) expect(notAbove(value)).toBeLessThan(0.99);
      }),
    );
    expect(percentile([], 0.99)).toBe(0);
  });
});
