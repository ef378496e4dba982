/** GET /api/series over a real mirror; points of the past are written as a worker would have written them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { redisMs } from "../../../src/redis/time.ts";
import { Runs } from "../../../src/runs/runs.ts";
import { SeriesRecorder } from "../../../src/workers/series.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;
const keys = makeKeys("uee");
const { fine, coarse } = keys.provider("cve").series;

let listing: ListingServer;
let dashboard: TestDashboard;
let redis: Redis;
beforeAll(async () => {
  listing = await startListing(makeRecords(300));
  dashboard = await startDashboard({
    engine: { providers: { cve: { url: listing.url, rate: "unlimited" } } },
  });
  redis = dashboard.redis.client();
});
afterAll(async () => {
  await dashboard.close();
  await listing.close();
});
beforeEach(async () => {
  await redis.flushall();
  listing.records = makeRecords(300);
});

interface Line {
  provider: string | null;
  values: (number | null)[];
}

async function series(query: string) {
  const { status, json } = await dashboard.get(`/api/series?${query}`);
  expect(status).toBe(200);
  return json as unknown as { unit: string; from: string; stepMs: number; lines: Line[] };
}

const lineOf = ({ lines }: { lines: Line[] }, provider: string | null): (number | null)[] =>
  lines.find((line) => line.provider === provider)!.values;

const recorder = (actor: string) =>
  new SeriesRecorder({
    ...{ redis, keys, actor, logger: silentLogger() },
    connections: dashboard.test.redis,
    runs: new Map([["cve", new Runs(redis, keys.provider("cve"))]]),
  });

describe("the series of a fleet", () => {
  test("tell what a run did, of its provider alone, although its worker lived for a moment", async () => {
    listing.records[3] = { ...listing.records[3]!, references: "none" };
    const run = await dashboard.test.run("cve");
    expect(run).toMatchObject({ fetched: 300, deadLettered: 1 });
    for (const [name, position, count] of [
      ["throughput", 1, 300],
      ["requests", 2, run.requests],
      ["errors", 3, 1],
    ] as const) {
      const points = (await redis.lrange(fine, 0, -1)).map((text) => text.split(" ").map(Number));
      expect(points.at(-1)![position]).toBe(count);
      const found = await series(`name=${name}&range=1h`);
      expect(found).toMatchObject({ unit: "per_second", stepMs: MINUTE });
      expect(found.lines.map(({ values }) => values.length)).toEqual(found.lines.map(() => 60));
      const last = lineOf(found, "cve").findLast((value) => value !== null);
      expect(last).toBeGreaterThan(0);
      expect(lineOf(found, "cwe").findLast((value) => value !== null)).toBe(0);
    }
    const { unit, lines } = await series("name=redis_memory&range=24h");
    expect({ unit, providers: lines.map(({ provider }) => provider) }).toEqual({
      unit: "bytes",
      providers: [null],
    });
    expect(lines[0]!.values.at(-1)).toBeGreaterThan(500_000);
  });

  test("give the rate of every step; a step without a worker has none, and what follows it is not spread over it", async () => {
    const now = await redisMs(redis);
    const start = Math.floor(now / MINUTE) * MINUTE;
    /** Minutes ago, and the records that were processed until then. */
    const points = [
      [10, 1_000],
      [9, 1_600],
      [8, 1_600],
      // No worker for four minutes.
      [4, 2_200],
      // Another store: its counters began again.
      [3, 60],
      [2, 120],
    ] as const;
    for (const [ago, records] of points)
      await redis.rpush(fine, `${start - ago * MINUTE + 30_000} ${records} 0 0`);
    const found = await series("name=throughput&range=1h&provider=cve");
    expect(found.lines).toHaveLength(1);
    expect(Date.parse(found.from) + 60 * MINUTE).toBe(start + MINUTE);
    expect(lineOf(found, "cve").slice(-11)).toEqual([null, 10, 0, null, null, null, 10, 0, 1, null, null]);
  });

  test("average quarters of an hour over two hours where the range is eight weeks", async () => {
    const step = 8 * QUARTER;
    const start = Math.floor((await redisMs(redis)) / step) * step - 20 * step;
    // All requests of two hours were sent in the first quarter of an hour.
    for (let i = 0; i < 32; i++)
      await redis.rpush(coarse, `${start + i * QUARTER} 0 ${Math.floor(i / 8) * 7_200} 0`);
    const found = await series("name=requests&range=8w&provider=cve");
    const values = lineOf(found, "cve");
    expect(values).toHaveLength(672);
    const at = (start - Date.parse(found.from)) / step;
    expect(values.slice(at, at + 4)).toEqual([0, 1, 1, 1]);
  });

  test("cost a fixed amount of memory, however long the fleet lives and however many workers write", async () => {
    const now = await redisMs(redis);
    const old = (ms: number, kept: number) =>
      Array.from({ length: kept }, (_, i) => `${now - (kept - i) * ms} ${i} ${i} ${i}`);
    await redis.rpush(fine, ...old(MINUTE, 365));
    await redis.rpush(coarse, ...old(QUARTER, 5_400));
    await Promise.all([recorder("one").runOnce(), recorder("two").runOnce()]);
    expect(await redis.llen(fine)).toBe(365);
    expect(await redis.llen(coarse)).toBe(5_400);
    expect(await redis.memory("USAGE", coarse)).toBeLessThan(300_000);
  });

  test("go on after the clock of Redis went back", async () => {
    const now = await redisMs(redis);
    await redis.rpush(fine, `${now - MINUTE} 10 0 0`, `${now + 3_600_000} 20 0 0`);
    await recorder("one").runOnce();
    const times = (await redis.lrange(fine, 0, -1)).map((text) => Number(text.split(" ")[0]));
    expect(times).toEqual([now - MINUTE, expect.any(Number)]);
    expect(times[1]! - now).toBeLessThan(MINUTE);
  });

  test("are refused by name where there is none", async () => {
    expect((await dashboard.get("/api/series?name=throughput&provider=nope")).json).toMatchObject({
      code: "PROV_UNKNOWN",
    });
    expect((await dashboard.get("/api/series?name=nope")).status).toBe(400);
  });
});
