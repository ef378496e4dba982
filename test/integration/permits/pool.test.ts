/** What holders, waiters and people get from the permit pool. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { loadScript } from "../../../src/redis/scripts.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { granted, grants, refused, testPool } from "./support.ts";

let server: TestRedis;
let redis: Redis;
const spoil = loadScript(new URL("./spoil-1.lua", import.meta.url));
const age = loadScript(new URL("./age-1.lua", import.meta.url));
const by = { actor: "test", reason: "test" };

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  // Every pool listens; here there are many on one connection.
  redis.setMaxListeners(0);
});
afterAll(() => server.stop());

describe("holding permits", () => {
  test("asking twice under one lease, as after a lost answer, is one grant", async () => {
    const pool = testPool(redis, { size: 3 });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    const again = await granted(pool, { lease: "a", provider: "cve" });
    expect(again.fence).toBe(first.fence);
    expect(await pool.show()).toMatchObject({ allocated: 1, available: 2 });
  });

  test("a full pool gives nothing, and says that it is full", async () => {
    const pool = testPool(redis, { size: 3 });
    await grants(pool, "a", "cve", 3);
    expect(await refused(pool, { lease: "c", provider: "cwe" })).toMatchObject({ reason: "full", ahead: 0 });
  });

  test("a second release, and one of a lease long gone, take nothing from other holders", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 80 });
    const slept = await granted(pool, { lease: "same name", provider: "cve" });
    const next = await granted(pool, { lease: "same name 2", provider: "cve", waitMs: 20_000 });
    expect(await pool.release(slept)).toBe(false);
    expect(await pool.release(next)).toBe(true);
    expect(await pool.release(next)).toBe(false);
    const reused = await granted(pool, { lease: "same name", provider: "cve" });
    expect(await pool.release(slept)).toBe(false);
    await expect(pool.renew(slept)).rejects.toMatchObject({ code: "PERM_LEASE_LOST" });
    expect(await pool.release(reused)).toBe(true);
    expect((await pool.verdict()).violations).toEqual([]);
  });

  test("a permit that is given back without waiting is free at once for the next request, in one step or by itself", async () => {
    const pool = testPool(redis, { size: 1, waiterMs: 60_000 });
    // A script that Redis does not know yet is sent twice, and what was sent meanwhile overtakes it.
    await pool.release({ lease: "unknown" });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    pool.giveBack(first);
    const second = await granted(pool, { lease: "b", provider: "cve" });
    expect(second.fence).toBeGreaterThan(first.fence);
    pool.giveBack(second);
    const third = await granted(pool, { lease: "c", provider: "cwe" });
    // A waiter goes first, also before the holder that gives back and asks again.
    await refused(pool, { lease: "d", provider: "capec" });
    pool.giveBack(third);
    await refused(pool, { lease: "e", provider: "cwe" });
    await granted(pool, { lease: "d", provider: "capec" });
    pool.giveBack({ ...third, lease: "d", provider: "capec" });
    await pool.settled();
    expect(await pool.show()).toMatchObject({ allocated: 1 });
    expect(await pool.verdict()).toMatchObject({ violations: [], grants: 4, mostHeld: 1 });
  });

  test("a dead holder's permit goes to a waiter when one lease is over", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 500, pollMs: 60_000 });
    const dead = await granted(pool, { lease: "dead", provider: "cve" });
    const next = await granted(pool, { lease: "next", provider: "cwe", waitMs: 30_000 });
    // Both by Redis' clock: when the next one's lease began.
    expect(next.expiresAt - 500).toBeGreaterThanOrEqual(dead.expiresAt);
    expect((await pool.verdict()).violations).toEqual([]);
  });

  test("fences grow even where the clock that they come from goes back", async () => {
    const pool = testPool(redis, { size: 2 });
    const ahead = (Date.now() + 1e9) * 1000;
    await spoil.run(redis, [pool.keys.pool], ["pool", "fence", ahead]);
    expect((await granted(pool, { lease: "a", provider: "cve" })).fence).toBe(ahead + 1);
  });

  test.each([
    ["a size of zero", (pool: ReturnType<typeof testPool>) => pool.resize(0, by)],
    ["half a permit", (pool: ReturnType<typeof testPool>) => pool.revoke(0.5, by)],
    [
      "a name that would break the keys",
      (pool: ReturnType<typeof testPool>) => pool.acquire({ lease: "a", provider: "a|b" }),
    ],
  ])("%s is refused and changes nothing", async (_what, ask) => {
    const pool = testPool(redis);
    await expect(ask(pool)).rejects.toMatchObject({ code: "PERM_INVALID" });
    expect(await redis.exists(pool.keys.pool)).toBe(0);
  });
});

describe("a clock that went back an hour", () => {
  const HOUR_US = 3_600_000_000;
  /** Everything that the pool remembers is an hour ahead from now on. */
  const stepBack = (pool: ReturnType<typeof testPool>) => age.run(redis, [pool.keys.pool], [-HOUR_US]);

  test("keeps a dead holder's permit and a vanished waiter's place for one lease and one stay, not for an hour", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 400, waiterMs: 200, pollMs: 60_000 });
    await granted(pool, { lease: "dead", provider: "cve" });
    await refused(pool, { lease: "gone", provider: "cwe" });
    await stepBack(pool);
    await granted(pool, { lease: "next", provider: "capec", waitMs: 30_000 });
    expect((await pool.show()).holders.map(({ lease }) => lease)).toEqual(["next"]);
  });

  test("lets a living holder renew, and its lease ends one life from then", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 60_000 });
    const held = await granted(pool, { lease: "a", provider: "cve" });
    await stepBack(pool);
    const { expiresAt } = await pool.renew(held);
    const [shown] = (await pool.show()).holders;
    expect(shown!.expiresAt).toBe(expiresAt);
    expect(expiresAt - (await pool.show()).at).toBeLessThanOrEqual(60_000);
    expect(await pool.audit({ repair: false, actor: "test" })).toMatchObject({ drift: 0 });
  });

  test("ends the hold after a restart within one lease", async () => {
    const pool = testPool(redis, { size: 1, leaseMs: 60_000 });
    await granted(pool, { lease: "a", provider: "cve" });
    await spoil.run(redis, [pool.keys.pool], ["pool", "holdUntil", Date.now() * 1_000 + 50_000_000]);
    await stepBack(pool);
    const waits = await refused(pool, { lease: "b", provider: "cve" });
    expect(waits).toMatchObject({ reason: "restart" });
    expect(waits.retryAfterMs).toBeLessThanOrEqual(60_000);
  });
});

describe("waiting for permits", () => {
  test("a release wakes the one whose turn it is, without any polling", async () => {
    const pool = testPool(redis, {
      size: 1,
      pollMs: 100_000,
      leaseMs: 120_000,
      blocking: () => server.client(),
    });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    const waits = ["b", "c"].map((lease) => granted(pool, { lease, provider: "cve", waitMs: 100_000 }));
    while ((await pool.show()).waiting < 2) await new Promise((done) => setTimeout(done, 5));
    // Their places end only with what they ask next, which is never: keep them.
    await redis.zadd(
      pool.keys.waiterDeadlines,
      "XX",
      "inf",
      ...(await redis.zrange(pool.keys.waiters, "0", "-1")).flatMap((m, i) => (i ? ["inf", m] : [m])),
    );
    await pool.release(first);
    const second = await Promise.race(waits);
    await pool.release(second);
    await Promise.all(waits);
    expect((await pool.verdict()).grants).toBe(3);
    pool.close();
  });

  test("a waiter that asks again within its time is still before those that came later", async () => {
    const pool = testPool(redis, { size: 1, waiterMs: 60_000 });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    await refused(pool, { lease: "b1", provider: "cve", waiter: "worker b" });
    expect(await refused(pool, { lease: "c1", provider: "cve", waiter: "worker c" })).toMatchObject({
      ahead: 1,
    });
    await pool.release(first);
    expect(await refused(pool, { lease: "c2", provider: "cve", waiter: "worker c" })).toMatchObject({
      ahead: 1,
      reason: "turn",
    });
    await granted(pool, { lease: "b2", provider: "cve", waiter: "worker b" });
  });

  test("a waiter that never comes again holds up the others only as long as its place is kept", async () => {
    const pool = testPool(redis, { size: 1, waiterMs: 100, pollMs: 50 });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    await refused(pool, { lease: "gone", provider: "cwe" });
    await pool.release(first);
    await granted(pool, { lease: "b", provider: "cve", waitMs: 30_000 });
  });

  test("who ends its wait gives up its place at once", async () => {
    const pool = testPool(redis, { size: 1, waiterMs: 600_000, leaseMs: 600_000 });
    const first = await granted(pool, { lease: "a", provider: "cve" });
    const stop = new AbortController();
    const wait = pool.acquire({ lease: "b", provider: "cve", waitMs: 600_000, signal: stop.signal });
    while ((await pool.show()).waiting < 1) await new Promise((done) => setTimeout(done, 5));
    stop.abort(new Error("enough"));
    await expect(wait).rejects.toThrow("enough");
    await pool.release(first);
    await granted(pool, { lease: "c", provider: "cwe" });
  });

  test("a greedy provider gets its share while others wait, not everything that frees", async () => {
    const pool = testPool(redis, { size: 4, waiterMs: 60_000 });
    const all = await grants(pool, "a", "cve", 4);
    for (let i = 1; i <= 4; i++) await refused(pool, { lease: `greedy-${i}`, provider: "cve" });
    for (let i = 1; i <= 2; i++) await refused(pool, { lease: `b-${i}`, provider: "cwe" });
    await refused(pool, { lease: "c", provider: "capec" });
    // Permit time counts at most one recent hold, which must be longer than these calls take.
    await age.run(redis, [pool.keys.pool], [5_000_000]);
    for (const held of all) await pool.release(held);
    await granted(pool, { lease: "greedy-1", provider: "cve" });
    expect(await refused(pool, { lease: "greedy-2", provider: "cve" })).toMatchObject({ reason: "turn" });
    for (const lease of ["b-1", "b-2"]) await granted(pool, { lease, provider: "cwe" });
    await granted(pool, { lease: "c", provider: "capec" });
  });
});

describe("changing the pool", () => {
  test("a person's resize persists: no process's configured size undoes it", async () => {
    const pool = testPool(redis, { size: 10, prefix: "resized" });
    expect(await pool.seed(10)).toMatchObject({ changed: true, configured: 10 });
    await pool.resize(4, by);
    const later = testPool(redis, { size: 10, prefix: "resized" });
    expect(await later.seed(10)).toMatchObject({ changed: false, configured: 4 });
    await grants(later, "a", "cve", 4);
    await refused(later, { lease: "b", provider: "cve" });
  });

  test("a smaller pool asks its newest holders back, in proportion, and ends what they keep after the grace", async () => {
    const pool = testPool(redis, { size: 8, leaseMs: 60_000, graceMs: 300 });
    const leases = ["cve-1", "cve-2", "cve-3", "cve-4", "cve-5", "cve-6", "cwe-1", "cwe-2"];
    for (const lease of leases) await granted(pool, { lease, provider: lease.slice(0, 3) });
    expect(await pool.resize(4, by)).toMatchObject({ effective: 4, allocated: 8, askedBack: 4 });
    const kept: string[] = [];
    for (const lease of leases) if ((await pool.renew({ lease })).mayKeep) kept.push(lease);
    expect(kept).toEqual(["cve-1", "cve-2", "cve-3", "cwe-1"]);
    // One of them obeys, the others go on; none can renew beyond its grace.
    await pool.release({ lease: "cve-4" });
    expect((await pool.renew({ lease: "cve-5" })).graceMs).toBeLessThanOrEqual(300);
    while ((await pool.show()).allocated > 4) await new Promise((done) => setTimeout(done, 20));
    await expect(pool.renew({ lease: "cve-5" })).rejects.toMatchObject({ code: "PERM_LEASE_LOST" });
    expect((await pool.renew({ lease: "cve-1" })).mayKeep).toBe(true);
    expect(await pool.verdict()).toMatchObject({ violations: [], lapsed: 3 });
  });

  test("what was asked back may be kept when the pool grows again in time", async () => {
    const pool = testPool(redis, { size: 2 });
    for (const lease of ["a", "b"]) await granted(pool, { lease, provider: "cve" });
    await pool.resize(1, by);
    expect(await pool.renew({ lease: "b" })).toMatchObject({ mayKeep: false });
    await pool.resize(2, by);
    expect(await pool.renew({ lease: "b" })).toMatchObject({ mayKeep: true, graceMs: 0 });
  });

  test("revoking takes of what is held, shows beside the configured size, and comes back by restoring", async () => {
    const pool = testPool(redis, { size: 10 });
    expect(await pool.revoke(2, by)).toMatchObject({ changed: false, effective: 10 });
    for (let i = 0; i < 5; i++) await granted(pool, { lease: `l${i}`, provider: "cve" });
    expect(await pool.revoke(1, by)).toMatchObject({ changed: true, effective: 4, askedBack: 1 });
    expect(await pool.show()).toMatchObject({ configured: 10, effective: 4, revoked: 6, allocated: 5 });
    expect(await pool.restore(4, by)).toMatchObject({ effective: 8 });
    expect(await pool.restore(40, by)).toMatchObject({ effective: 10, configured: 10 });
    expect(await pool.revoke(4_000, by)).toMatchObject({ effective: 1 });
  });

  test("what it shows is who holds, who waits and since when, with fences", async () => {
    const pool = testPool(redis, { size: 1 });
    const held = await granted(pool, { lease: "a", provider: "cve", owner: "pod-7 | worker 1" });
    await refused(pool, { lease: "b", provider: "cwe" });
    expect(await pool.show()).toMatchObject({
      ...{
        configured: 1,
        effective: 1,
        allocated: 1,
        available: 0,
        waiting: 1,
        fence: held.fence,
        holdUntil: null,
      },
      holders: [
        { lease: "a", provider: "cve", askedBack: false, fence: held.fence, owner: "pod-7 | worker 1" },
      ],
      providers: [
        { provider: "cve", held: 1, waiting: 0 },
        { provider: "cwe", held: 0, waiting: 1 },
      ],
      truncated: false,
    });
    expect((await pool.show({ holders: 0 })).truncated).toBe(true);
  });
});

describe("the audit", () => {
  test("finds nothing to repair in a pool that was used", async () => {
    const pool = testPool(redis, { size: 1 });
    await granted(pool, { lease: "a", provider: "cve" });
    await refused(pool, { lease: "b", provider: "cwe" });
    const report = await pool.audit({ repair: true, actor: "test" });
    expect(report).toMatchObject({ drift: 0, findings: [], leases: 1, waiters: 1, repaired: false });
  });

  test("finds drift of every kind, repairs it, and the permits are usable again", async () => {
    const pool = testPool(redis, { size: 3 });
    for (const lease of ["a", "b", "c"]) await granted(pool, { lease, provider: "cve" });
    for (const lease of ["w", "x", "y"]) await refused(pool, { lease, provider: "cwe" });
    const { keys } = pool;
    const waiters = await redis.zrange(keys.waiters, "0", "-1");
    await redis.hdel(keys.leases, "a");
    const [deadline, ...rest] = (await redis.hget(keys.leases, "c"))!.split("|");
    await redis.hset(keys.leases, "c", [`9${deadline}`, ...rest].join("|"), "d", "rubbish");
    const wrong = { used: 77, fence: 1, taken: 99, nextEnd: 9e15 };
    for (const [field, value] of Object.entries(wrong))
      await spoil.run(redis, [keys.pool], ["pool", field, value]);
    await spoil.run(redis, [keys.pool], ["p:cve", "marked", -3]);
    await redis.zrem(keys.waiterDeadlines, waiters[0]!);
    await redis.hdel(keys.waiterPlaces, "cwe|x");
    await redis.zrem(keys.waiters, waiters[2]!);
    const kinds = [
      ...["count", "deadline-too-late", "deadline-without-waiter", "lease-unreadable"],
      ...["place-without-waiter", "waiter-without-deadline", "waiter-without-place"],
    ];
    const found = await pool.audit({ repair: false, actor: "test" });
    expect([...new Set(found.findings.map((f) => f.kind))].sort()).toEqual(kinds);
    expect((await pool.audit({ repair: true, actor: "test" })).drift).toBe(found.drift);
    expect(await pool.audit({ repair: true, actor: "test" })).toMatchObject({
      drift: 0,
      leases: 2,
      waiters: 1,
    });
    expect(await pool.show()).toMatchObject({
      allocated: 2,
      available: 0,
      effective: 1,
      askedBack: 1,
    });
  });
});
