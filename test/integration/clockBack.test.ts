/**
 * What is stored when Redis' clock goes back, without libfaketime: deadlines and fetch times are moved into the future
 * instead, as a clock that went back leaves them.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { silentLogger } from "../../src/core/logger.ts";
import { openProviderMachine } from "../../src/machines/machineStore.ts";
import { shortenLocks } from "../../src/queues/locks.ts";
import { SchedulePlan } from "../../src/queues/schedulePlan.ts";
import { packReferenced, packTimes, unpackIndexEntry } from "../../src/records/indexEntry.ts";
import { WorkerRegistry } from "../../src/recovery/workerRegistry.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { redisMicros, redisMs } from "../../src/redis/time.ts";
import { thisProcess } from "../../src/runs/processIdentity.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";
import {
  ageOpening,
  ageProbe,
  enter,
  fail,
  freshUpstream,
  keysOf,
  pod,
  refusal,
} from "./breakers/support.ts";
import { failure, startServer, type TestServer, testUpstream, want } from "./upstream/support.ts";

const HOUR = 3_600_000;

let server: TestRedis;
let redis: Redis;
let count = 0;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

describe("records stored by a clock that was ahead", () => {
  let listing: ListingServer;
  let uee: TestEngine;
  let prefix: string;

  beforeEach(async () => {
    prefix = `ahead${count++}`;
    listing = await startListing(makeRecords(40));
    const providers = { cve: { url: listing.url, rate: "unlimited" as const } };
    uee = await openTestEngine(server.url, { prefix, providers });
    await uee.run("cve", "full");
  });
  afterEach(async () => {
    await uee.close();
    await listing.close();
  });

  const upstream = () => new Map(listing.records.map((record) => [record.id, record]));

  test("are walked again by a full run that refuses them as older, and end as the upstream has them", async () => {
    const keys = makeKeys(prefix).provider("cve");
    const edited = listing.records[7]!;
    listing.records[7] = { ...edited, descriptions: [{ value: "edited" }] };
    const bucket = keys.indexBucket(edited.id);
    const entry = unpackIndexEntry((await redis.hgetBuffer(bucket, edited.id))!.toString("latin1"));
    const versions = { ...entry, fetchedAt: entry.fetchedAt + HOUR * 1_000 };
    const ahead = packReferenced(versions, entry.digests!) + packTimes(entry);
    await redis.hset(bucket, edited.id, Buffer.from(ahead, "latin1"));
    const run = await uee.run("cve", "full");
    expect(run).toMatchObject({ state: "complete", updated: 1, requests: 2 });
    expect(await exported(uee.engine, "cve")).toEqual(upstream());
  });

  test("and removed by it are stored again when the upstream has them again", async () => {
    const keys = makeKeys(prefix).provider("cve");
    const [gone] = listing.records.splice(7, 1);
    await uee.run("cve", "full");
    const tombstone = JSON.parse((await redis.hget(keys.tombstones, gone!.id))!) as { at: number };
    const ahead = { at: tombstone.at + HOUR * 1_000 };
    await redis.hset(keys.tombstones, gone!.id, JSON.stringify({ ...tombstone, ...ahead }));
    listing.records.push(gone!);
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete", created: 1 });
    expect(await exported(uee.engine, "cve")).toEqual(upstream());
  });
});

describe("an upstream's window", () => {
  let web: TestServer;
  beforeAll(async () => {
    web = await startServer((_request, response) => response.end("{}"));
  });
  afterAll(() => web.close());

  const keys = (name: string) => makeKeys("uee-test").upstream(name);
  const limited = (name: string, max = 2) =>
    testUpstream(redis, {
      name,
      settings: { rate: { max, windowMs: 30_000 }, apiKeyFingerprint: "none", baseUrl: web.url },
      waitScale: 1,
    });

  test("holds slots that free in an hour for one window more", async () => {
    const upstream = limited("slots-ahead");
    await upstream.get(want(web.url));
    await upstream.get(want(web.url));
    const { slots } = keys("slots-ahead");
    for (const slot of await redis.zrange(slots, "0", "-1")) await redis.zincrby(slots, HOUR * 1_000, slot);
    const looked = (await upstream.waiting())!.untilMs - (await redisMs(redis));
    expect(looked).toBeLessThanOrEqual(33_000);
    const wait = (await failure(upstream.get(want(web.url)))).retryAfterMs!;
    expect(wait).toBeGreaterThan(5_000);
    expect(wait).toBeLessThanOrEqual(32_250);
    const [, stored] = await redis.zrange(slots, "0", "0", "WITHSCORES");
    expect(Number(stored)).toBeLessThanOrEqual((await redisMicros(redis)) + 32_250_000);
    await upstream.close();
  });

  test("that is to be left alone until an hour ahead is left alone once more for as long as it asked", async () => {
    const upstream = limited("told-ahead");
    web.answer = (_request, response) => response.writeHead(429, { "retry-after": "20" }).end();
    await failure(upstream.get(want(web.url)));
    web.answer = (_request, response) => response.end("{}");
    const { state } = keys("told-ahead");
    await redis.hincrby(state, "blockedUntil", HOUR * 1_000);
    for (let i = 0; i < 2; i++) {
      const wait = (await failure(upstream.get(want(web.url)))).retryAfterMs!;
      expect(wait).toBeGreaterThan(10_000);
      expect(wait).toBeLessThanOrEqual(20_001);
    }
    const until = Number(await redis.hget(state, "blockedUntil"));
    expect(until).toBeLessThanOrEqual((await redisMicros(redis)) + 20_000_000);
    await upstream.close();
  });

  test("counts an overload noticed by a clock that was ahead as earlier than what fails after it", async () => {
    const pods = [limited("overload-ahead", 10), limited("overload-ahead", 10)];
    web.answer = (_request, response) => response.writeHead(500).end();
    for (const upstream of pods) {
      await failure(upstream.get(want(web.url)));
      const { state } = keys("overload-ahead");
      // The clock goes back: everything stored is an hour ahead now.
      await redis.hincrby(state, "overloadedAt", HOUR * 1_000);
      await redis.hincrby(state, "clock", HOUR * 1_000);
      await redis.hdel(state, "blockedUntil");
    }
    web.answer = (_request, response) => response.end("{}");
    expect(await redis.hget(keys("overload-ahead").state, "overloads")).toBe("2");
    await Promise.all(pods.map((upstream) => upstream.close()));
  });

  test("forgets a dead process with other settings within one life of its entry", async () => {
    const dead = limited("pods-ahead");
    await dead.register();
    const { pods } = keys("pods-ahead");
    const [entry] = await redis.zrange(pods, "0", "-1");
    await dead.close();
    await redis.zadd(pods, String((await redisMicros(redis)) + HOUR * 1_000), entry!);
    const other = limited("pods-ahead", 9);
    expect((await failure(other.register())).code).toBe("SYS_FLEET_DISAGREES");
    const [, until] = await redis.zrange(pods, "0", "0", "WITHSCORES");
    expect(Number(until)).toBeLessThanOrEqual((await redisMicros(redis)) + 15_000_000);
    await other.close();
  });
});

describe("a breaker", () => {
  test("that opened by a clock an hour ahead stays open for its own wait, and no longer", async () => {
    const upstream = freshUpstream();
    const breaker = pod(redis, upstream, "a");
    await fail(breaker, 5);
    const waitMs = (await breaker.store.view()).remainingMs;
    await redis.hincrby(keysOf(upstream).breaker, "until_ms", HOUR);
    expect((await breaker.store.view()).remainingMs).toBeLessThanOrEqual(waitMs + 1_000);
    expect((await refusal(pod(redis, upstream, "b")))?.code).toBe("PROV_CIRCUIT_OPEN");
    const until = Number(await redis.hget(keysOf(upstream).breaker, "until_ms"));
    expect(until - (await redisMs(redis))).toBeLessThanOrEqual(30_000);
  });

  test("whose probe died with a lease an hour ahead lets another probe within one lease", async () => {
    const upstream = freshUpstream();
    const breaker = pod(redis, upstream, "a");
    await fail(breaker, 5);
    await ageOpening(redis, upstream);
    const probe = await enter(breaker);
    await redis.hincrby(keysOf(upstream).breaker, "probe_until_ms", HOUR);
    expect(await refusal(pod(redis, upstream, "b"))).toBeDefined();
    const until = Number(await redis.hget(keysOf(upstream).breaker, "probe_until_ms"));
    expect(until - (await redisMs(redis))).toBeLessThanOrEqual(15_000);
    await ageProbe(redis, upstream);
    await probe.abandoned();
  });
});

describe("the fleet", () => {
  test("waits for the lock of a dead worker's job no longer than a lock lasts", async () => {
    const toKey = (name: string): string => `{t}:locks${count}:${name}`;
    await redis.rpush(toKey("active"), "job-1", "job-2");
    await redis.set(toKey("job-1:lock"), "dead", "PX", HOUR);
    await redis.set(toKey("job-2:lock"), "alive", "PX", 5_000);
    await redis.set(toKey("stalled-check"), "1", "PX", HOUR);
    const address = { prefix: "{t}", name: `locks${count}` };
    expect(await shortenLocks(redis, address)).toBe(2);
    const left = await Promise.all(
      ["job-1:lock", "job-2:lock", "stalled-check"].map((name) => redis.pttl(toKey(name))),
    );
    expect(left.map((ms, i) => ms <= [9_000, 5_000, 4_000][i]!)).toEqual([true, true, true]);
    expect(await shortenLocks(redis, address)).toBe(0);
  });

  test("does not count a dead worker as alive for longer than its word may hold", async () => {
    const keys = makeKeys(`words${count++}`);
    const registry = new WorkerRegistry(redis, keys);
    const facts = {
      ...{
        id: "w-dead",
        process: { ...thisProcess(), host: "elsewhere" },
        startedAt: new Date().toISOString(),
      },
      ...{ version: "1.0.0", state: "ready" as const, lockOwners: [], vitals: null },
      serves: { providers: [], runs: true },
    };
    await registry.beat(facts, { heartbeat: true });
    await redis.zincrby(keys.workers, HOUR, "w-dead");
    await redis.hincrby(keys.workerBeats, "w-dead", HOUR);
    const [found] = await registry.all();
    const now = await redisMs(redis);
    expect(found!.expires).toBeLessThanOrEqual(now + WorkerRegistry.holdsMs);
    expect(found!.lastBeat).toBeLessThanOrEqual(now);
    // The stored time itself is corrected, not only the shown one: the report expires although no worker reports any more.
    expect(Number(await redis.zscore(keys.workers, "w-dead"))).toBe(found!.expires);
  });

  test("has the plan of the worker that started last, though its clock is behind the others'", async () => {
    const plan = new SchedulePlan(redis, makeKeys(`plan${count++}`).schedules);
    const first = await plan.now();
    await redis.hset(makeKeys(`plan${count - 1}`).schedules, "clock", first + HOUR * 1_000);
    const before = await plan.now();
    const later = await plan.now();
    expect(later).toBeGreaterThan(before);
    const planned = (cron: string) => [{ provider: "cve", mode: "full" as const, schedule: { cron } }];
    await plan.claim(planned("0 1 * * *"), { id: "old", since: before });
    expect(await plan.claim(planned("0 2 * * *"), { id: "new", since: later })).toMatchObject({
      changed: true,
    });
  });

  test("forgets the plan of a worker that died by a clock an hour ahead", async () => {
    const key = makeKeys(`plan${count++}`).schedules;
    const plan = new SchedulePlan(redis, key);
    const planned = (cron: string) => [{ provider: "cve", mode: "full" as const, schedule: { cron } }];
    const since = await plan.now();
    await plan.claim(planned("0 1 * * *"), { id: "dead", since });
    await redis.hincrby(key, "until", HOUR);
    await plan.claim(planned("0 2 * * *"), { id: "alive", since: since - 1 });
    expect(Number(await redis.hget(key, "until"))).toBeLessThanOrEqual((await redisMs(redis)) + 60_000);
  });

  test("waits no longer for an upstream than it was asked to", async () => {
    const keys = makeKeys(`waits${count++}`).provider("cve");
    const machine = openProviderMachine("cve", keys, { redis, logger: silentLogger() });
    const actor = { kind: "engine", name: "test" } as const;
    await machine.request("open_run", { actor });
    await machine.request("back_off", { actor, waitMs: 60_000, reason: "told" });
    await redis.hincrby(keys.machine, "until_ms", HOUR);
    expect((await machine.read()).remainingMs).toBeLessThanOrEqual(60_000);
    await machine.attempt("wait_over", { actor });
    const until = Number(await redis.hget(keys.machine, "until_ms"));
    expect(until).toBeLessThanOrEqual((await redisMs(redis)) + 60_000);
  });
});
