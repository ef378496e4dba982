import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { fetchOrder, incoming, LARGE, latestWins, openStore } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const nowMicros = async () => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1e6 + Number(micros);
};

describe("a removal", () => {
  test("takes the record away and leaves when and why it went", async () => {
    const { records, begin, setState, feed, keys, counters } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(
      attempt,
      [incoming("CVE-1", { text: LARGE }, { aliases: ["A1"] }), incoming("CVE-2", {})],
      latestWins,
    );
    const { firstSeen } = (await records.get("CVE-1"))!;
    await setState("r1", "closing");
    expect(await records.remove(attempt, ["CVE-1", "CVE-9"], "not in the upstream")).toBe(1);
    expect(await records.get("CVE-1")).toBeUndefined();
    expect(await records.byAlias("A1")).toEqual([]);
    expect(await records.count()).toBe(1);
    expect(await redis.exists(keys.record("CVE-1"), keys.alias("A1"))).toBe(0);
    const tombstone = await records.tombstone("CVE-1");
    expect(tombstone).toMatchObject({ id: "CVE-1", reason: "not in the upstream", runId: "r1", firstSeen });
    expect(Math.abs(Date.parse(tombstone!.removedAt) - Date.now())).toBeLessThan(60_000);
    expect(await records.tombstone("CVE-2")).toBeUndefined();
    const { entries } = await feed.read(undefined, 10);
    expect(entries.at(-1)).toMatchObject({
      op: "removed",
      id: "CVE-1",
      fields: [],
      runId: "r1",
      at: tombstone!.removedAt,
    });
    expect((await counters("r1")).removed).toBe(1);
  });

  test("that is repeated after a kill removes and counts nothing twice", async () => {
    const { records, begin, setState, counters, feed } = openStore(redis);
    const attempt = await begin("r1");
    const ids = Array.from({ length: 150 }, (_, i) => `CVE-${i}`);
    await records.commit(
      attempt,
      ids.map((id) => incoming(id, {})),
      latestWins,
    );
    await setState("r1", "closing");
    expect(await records.remove(attempt, ids.slice(0, 70), "gone")).toBe(70);
    expect(await records.remove(attempt, ids, "gone")).toBe(80);
    expect((await counters("r1")).removed).toBe(150);
    expect((await feed.read(undefined, 1000)).entries.filter(({ op }) => op === "removed")).toHaveLength(150);
  });

  test("is refused while the run is open, after it is closed, and for a superseded attempt", async () => {
    const { records, begin, setState, supersede, contents } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", {})], latestWins);
    const before = await contents();
    await expect(records.remove(attempt, ["CVE-1"], "gone")).rejects.toMatchObject({
      code: "STOR_RUN_CLOSED",
    });
    await setState("r1", "closed");
    await expect(records.remove(attempt, ["CVE-1"], "gone")).rejects.toMatchObject({
      code: "STOR_RUN_CLOSED",
    });
    await setState("r1", "closing");
    await supersede(attempt);
    await expect(records.remove(attempt, ["CVE-1"], "gone")).rejects.toMatchObject({ code: "STOR_FENCED" });
    expect(await contents()).toEqual(before);
  });

  test("is not undone by anything fetched before it, and is by what is fetched after", async () => {
    const { records, begin, setState, feed } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", { v: 1 }, { lastModified: "2025-01-01" })], latestWins);
    const { firstSeen } = (await records.get("CVE-1"))!;
    await setState("r1", "closing");
    const fetchedBefore = await nowMicros();
    await records.remove(attempt, ["CVE-1"], "gone");
    const next = await begin("r2");
    const late = incoming("CVE-1", { v: 2 }, { fetchedAt: fetchedBefore, lastModified: "2026-01-01" });
    expect(await records.commit(next, [late], latestWins)).toMatchObject({ stale: 1, created: 0 });
    expect(await records.get("CVE-1")).toBeUndefined();
    expect(await records.tombstone("CVE-1")).toBeDefined();

    const fresh = incoming("CVE-1", { v: 3 }, { fetchedAt: (await nowMicros()) + 1 });
    expect(await records.commit(next, [fresh], latestWins)).toMatchObject({ created: 1 });
    expect(await records.get("CVE-1")).toMatchObject({ firstSeen, data: { v: 3 } });
    expect(await records.tombstone("CVE-1")).toBeUndefined();
    expect((await feed.read(undefined, 10)).entries.map(({ op }) => op)).toEqual([
      "created",
      "removed",
      "created",
    ]);
  });

  test("that happens between the reading and the writing of a commit is not undone by it", async () => {
    const { records, begin, setState, keys } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", { v: 1, text: LARGE })], fetchOrder);
    const bucket = keys.indexBucket("CVE-1");
    const entry = (await redis.hgetBuffer(bucket, "CVE-1"))!;
    const [content] = await redis.lrangeBuffer(keys.record("CVE-1"), 0, -1);
    await setState("r1", "closing");
    await records.remove(attempt, ["CVE-1"], "gone");
    const tombstone = (await redis.hget(keys.tombstones, "CVE-1"))!;
    // The commit reads the store as it was before the removal; the removal then comes in before its first write.
    await redis.hset(bucket, "CVE-1", entry);
    await redis.rpush(keys.record("CVE-1"), content!);
    await redis.hdel(keys.tombstones, "CVE-1");
    const next = await begin("r2");
    const lrangeBuffer = redis.lrangeBuffer.bind(redis);
    Object.assign(redis, {
      async lrangeBuffer(key: string, start: number, stop: number) {
        const found = await lrangeBuffer(key, start, stop);
        await redis.hdel(bucket, "CVE-1");
        await redis.hset(keys.tombstones, "CVE-1", tombstone);
        return found;
      },
    });
    try {
      const result = await records.commit(next, [incoming("CVE-1", { v: 2 }, { fetchedAt: 5 })], fetchOrder);
      expect(result).toMatchObject({ stale: 1, created: 0, updated: 0 });
    } finally {
      Object.assign(redis, { lrangeBuffer });
    }
    expect(await records.count()).toBe(0);
    expect(await records.tombstone("CVE-1")).toBeDefined();
  });
});

describe("aliases", () => {
  test("lead to every record that carries them, and follow changes that touch no content", async () => {
    const { records, begin, feed } = openStore(redis);
    await records.commit(
      await begin("r1"),
      [
        incoming("a", { n: 1 }, { aliases: ["T1", "T2", "T1"] }),
        incoming("b", { n: 2 }, { aliases: ["T2"] }),
      ],
      fetchOrder,
    );
    expect((await records.byAlias("T2")).map(({ id }) => id)).toEqual(["a", "b"]);
    expect((await records.byAlias("T1")).map(({ id }) => id)).toEqual(["a"]);
    const moved = incoming("a", { n: 1 }, { aliases: ["T2", "T3"], fetchedAt: 2 });
    expect(await records.commit(await begin("r2"), [moved], fetchOrder)).toMatchObject({
      updated: 0,
      unchanged: 1,
    });
    expect(await records.byAlias("T1")).toEqual([]);
    expect((await records.byAlias("T3")).map(({ id }) => id)).toEqual(["a"]);
    expect((await feed.read(undefined, 10)).entries).toHaveLength(2);
  });
});
