import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { makeChangeFeed, makeProviderRecords } from "../../../src/records/index.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { oneServer, startRedis, type TestRedis } from "../../support/redisServer.ts";
import { fetchOrder, incoming, latestWins, openStore } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const list = (from: number, to: number, fetchedAt = 1) =>
  Array.from({ length: to - from }, (_, i) => incoming(`CVE-${from + i}`, { fetchedAt }, { fetchedAt }));

describe("the change feed", () => {
  test("gives every change once, in order and without a gap, from any cursor it handed out", async () => {
    const { records, begin, feed, keys } = openStore(redis);
    const attempt = await begin("r1");
    // Three commits at once: their steps interleave.
    await Promise.all(
      [list(0, 200), list(200, 400), list(400, 600)].map((part) => records.commit(attempt, part, latestWins)),
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await feed.read(cursor, 77);
      if (page.entries.length === 0) break;
      seen.push(...page.entries.map(({ id }) => id));
      cursor = page.entries.at(-1)!.cursor;
      expect(page.cursor).toBe(cursor);
    }
    expect(seen).toHaveLength(600);
    expect(new Set(seen).size).toBe(600);
    const ids = (await redis.xrange(keys.changes, "-", "+")).map(([id]) => id);
    expect(ids).toEqual(Array.from({ length: 600 }, (_, i) => `${i + 1}-0`));
  });

  test("follows from its end, also when nothing was ever written", async () => {
    const { records, begin, feed } = openStore(redis);
    const empty = await feed.end();
    expect(await feed.read(empty, 10)).toEqual({ entries: [], cursor: empty });
    const attempt = await begin("r1");
    await records.commit(attempt, list(0, 3), latestWins);
    expect((await feed.read(empty, 10)).entries).toHaveLength(3);
    const end = await feed.end();
    expect((await feed.read(end, 10)).entries).toEqual([]);
    await records.commit(attempt, list(3, 4), latestWins);
    expect((await feed.read(end, 10)).entries.map(({ id }) => id)).toEqual(["CVE-3"]);
  });

  test("says when a cursor lies before what is kept, and never passes over the gap", async () => {
    const { records, begin, feed, keys } = openStore(redis, { changesLimit: 100 });
    const attempt = await begin("r1");
    await records.commit(attempt, list(0, 10), latestWins);
    const early = (await feed.read(undefined, 5)).cursor;
    await records.commit(attempt, list(10, 2000), latestWins);
    const kept = await redis.xlen(keys.changes);
    expect(kept).toBeGreaterThanOrEqual(100);
    expect(kept).toBeLessThan(400);
    await expect(feed.read(early, 10)).rejects.toMatchObject({ code: "STOR_CURSOR_TRIMMED" });
    const fromStart = await feed.read(undefined, 5000);
    expect(fromStart.entries).toHaveLength(kept);
    // The entry just before the oldest kept is the last position that still misses nothing.
    await redis.xtrim(keys.changes, "MAXLEN", 50);
    const all = fromStart.entries;
    await expect(feed.read(all.at(-52)!.cursor, 10)).rejects.toMatchObject({ code: "STOR_CURSOR_TRIMMED" });
    expect((await feed.read(all.at(-51)!.cursor, 100)).entries).toHaveLength(50);
  });

  test("says so when a cursor was taken from a store that is no longer there", async () => {
    const { records, begin, feed, keys } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, list(0, 5), latestWins);
    const { cursor } = await feed.read(undefined, 3);
    const flush = async () => {
      const found = await redis.keys(`${keys.tag}:*`);
      await redis.del(...found);
    };
    await flush();
    await expect(feed.read(cursor, 10)).rejects.toMatchObject({ code: "STOR_CURSOR_INVALID" });
    // Even when the new store has counted beyond it.
    await records.commit(await begin("r2"), list(0, 5), latestWins);
    await expect(feed.read(cursor, 10)).rejects.toMatchObject({ code: "STOR_CURSOR_INVALID" });
    await expect(feed.read("garbage", 10)).rejects.toMatchObject({ code: "STOR_CURSOR_INVALID" });
  });

  test("goes on counting where the stream is when the counter is lost", async () => {
    const { records, begin, feed, keys } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, list(0, 3), latestWins);
    await redis.hdel(keys.meta, "changeSeq");
    await records.commit(attempt, list(3, 5), latestWins);
    expect((await feed.read(undefined, 10)).entries.map(({ id }) => id)).toEqual(
      list(0, 5).map(({ id }) => id),
    );
  });

  test("merges providers, each in its own order, and a cursor holds the place in all of them", async () => {
    const keys = makeKeys("merged");
    const providers = [
      { name: "cwe", authority: "mitre", version: 1 },
      { name: "capec", authority: "mitre", version: 1 },
    ];
    const feed = makeChangeFeed({ redis: oneServer(redis), keys, providers });
    for (const round of [1, 2]) {
      for (const provider of providers) {
        const providerKeys = keys.provider(provider.name);
        await redis.hset(providerKeys.run("r").run, "state", "open");
        await redis.hset(providerKeys.run("r").fences, "b", 1);
        const records = makeProviderRecords({ redis, keys: providerKeys, provider, changesLimit: 100 });
        const attempt = { runId: "r", batchKey: "b", fence: 1, pass: 1 };
        await records.commit(attempt, [incoming(`${provider.name}-${round}`, {})], latestWins);
      }
    }
    const first = await feed.read(undefined, 3);
    expect(first.entries.map(({ urn }) => urn)).toEqual([
      "v2e::mitre::cwe::cwe-1",
      "v2e::mitre::capec::capec-1",
      "v2e::mitre::cwe::cwe-2",
    ]);
    expect((await feed.read(first.entries[0]!.cursor, 9)).entries.map(({ id }) => id)).toEqual([
      "capec-1",
      "cwe-2",
      "capec-2",
    ]);
    expect((await feed.read(first.cursor, 9)).entries.map(({ id }) => id)).toEqual(["capec-2"]);
  });
});

describe("the feed of a provider that names no single record", () => {
  test("has one entry a run with its counts, told once however often the last step is repeated", async () => {
    const keys = makeKeys("summaries");
    const own = {
      name: "epss",
      authority: "first",
      version: 1,
      changes: "summary",
      numbers: ["epss"],
    } as const;
    const providerKeys = keys.provider(own.name);
    const records = makeProviderRecords({ redis, keys: providerKeys, provider: own, changesLimit: 100 });
    const feed = makeChangeFeed({ redis: oneServer(redis), keys, providers: [own] });
    const run = providerKeys.run("r1");
    await redis.hset(run.run, "state", "open");
    await redis.hset(run.fences, "b", 1);
    const attempt = { runId: "r1", batchKey: "b", fence: 1, pass: 1 };
    await records.commit(
      attempt,
      [incoming("CVE-1", { epss: "0.10" }), incoming("CVE-2", { epss: "1" })],
      fetchOrder,
    );
    const again = [
      incoming("CVE-1", { epss: "0.1" }, { fetchedAt: 2 }),
      incoming("CVE-2", { epss: "2" }, { fetchedAt: 2 }),
    ];
    expect(await records.commit(attempt, again, fetchOrder)).toMatchObject({ unchanged: 1, updated: 1 });
    expect((await records.get("CVE-1"))?.data.epss).toBe("0.10");
    expect((await feed.read(undefined, 10)).entries).toEqual([]);
    await redis.hset(run.run, "state", "closing");
    const counts = { created: 2, updated: 0, removed: 0 };
    for (let i = 0; i < 2; i++) await records.summarise(attempt, counts);
    expect((await feed.read(undefined, 10)).entries).toMatchObject([
      { provider: "epss", op: "summary", id: "*", fields: [], counts, runId: "r1" },
    ]);
    await redis.hset(run.fences, "b", 2);
    await expect(records.summarise(attempt, counts)).rejects.toMatchObject({ code: "STOR_FENCED" });
  });

  test("has nothing where the provider says off, of removals neither", async () => {
    const keys = makeKeys("silent");
    const own = { name: "epss", authority: "first", version: 1, changes: "off" } as const;
    const providerKeys = keys.provider(own.name);
    const records = makeProviderRecords({ redis, keys: providerKeys, provider: own, changesLimit: 100 });
    const run = providerKeys.run("r1");
    await redis.hset(run.run, "state", "open");
    await redis.hset(run.fences, "b", 1);
    const attempt = { runId: "r1", batchKey: "b", fence: 1, pass: 1 };
    await records.commit(attempt, list(0, 3), fetchOrder);
    await records.commit(attempt, list(0, 1, 2), fetchOrder);
    await redis.hset(run.run, "state", "closing");
    expect(await records.remove(attempt, ["CVE-2"], "gone")).toBe(1);
    await records.summarise(attempt, { created: 3, updated: 1, removed: 1 });
    expect(await redis.exists(providerKeys.changes)).toBe(0);
    expect(await records.count()).toBe(2);
    const feed = makeChangeFeed({ redis: oneServer(redis), keys, providers: [own] });
    const { entries, cursor } = await feed.read(undefined, 10);
    expect(entries).toEqual([]);
    expect((await feed.read(cursor, 10)).entries).toEqual([]);
  });
});

test("a provider's feed is bounded by itself: another's flood neither trims it nor passes its follower", async () => {
  const keys = makeKeys("flood");
  const store = async (name: string) => {
    const own = { name, authority: "nvd", version: 1 };
    const providerKeys = keys.provider(name);
    const run = providerKeys.run("r1");
    await redis.hset(run.run, "state", "open");
    await redis.hset(run.fences, "b", 1);
    const records = makeProviderRecords({ redis, keys: providerKeys, provider: own, changesLimit: 100 });
    const attempt = { runId: "r1", batchKey: "b", fence: 1, pass: 1 };
    return {
      own,
      changes: providerKeys.changes,
      commit: (some: ReturnType<typeof list>) => records.commit(attempt, some, latestWins),
    };
  };
  const [calm, flood] = await Promise.all([store("cve"), store("other")]);
  const feed = makeChangeFeed({ redis: oneServer(redis), keys, providers: [calm.own, flood.own] });
  await calm.commit(list(0, 2));
  const { cursor } = await feed.read(undefined, 10, ["cve"]);
  await flood.commit(list(0, 3000));
  await calm.commit(list(2, 4));
  expect(await redis.xlen(calm.changes)).toBe(4);
  expect(await redis.xlen(flood.changes)).toBeLessThan(1000);
  const next = await feed.read(cursor, 10, ["cve"]);
  expect(next.entries.map(({ id }) => id)).toEqual(["CVE-2", "CVE-3"]);
});
