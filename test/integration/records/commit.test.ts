import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { JsonObject } from "../../../src/core/json.ts";
import type { CommitOptions } from "../../../src/records/contract.ts";
import { makeProviderRecords } from "../../../src/records/index.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { collect, fetchOrder, incoming, LARGE, latestWins, openStore, provider } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const day = (n: number) => `2025-01-${String(n).padStart(2, "0")}T00:00:00.000`;

describe("a commit", () => {
  test("stores new records, counts them and tells the change feed", async () => {
    const { records, begin, counters, feed } = openStore(redis);
    const result = await records.commit(
      await begin("r1"),
      [incoming("CVE-1", { text: LARGE }), incoming("CVE-2", { n: 1 })],
      latestWins,
    );
    expect(result).toMatchObject({ created: 2, updated: 0, unchanged: 0, stale: 0 });
    expect(await counters("r1")).toEqual({ created: 2, "unique:1": 2 });
    const stored = await records.get("CVE-1");
    expect(stored).toMatchObject({
      urn: "v2e::nvd::cve::CVE-1",
      provider: "cve",
      data: { id: "CVE-1", text: LARGE },
    });
    expect(stored?.firstSeen).toBe(stored?.lastChanged);
    expect(Math.abs(Date.parse(stored!.firstSeen) - Date.now())).toBeLessThan(60_000);
    expect(await records.count()).toBe(2);
    const { entries } = await feed.read(undefined, 10);
    expect(entries.map(({ op, id, fields, runId }) => ({ op, id, fields, runId }))).toEqual([
      { op: "created", id: "CVE-1", fields: [], runId: "r1" },
      { op: "created", id: "CVE-2", fields: [], runId: "r1" },
    ]);
  });

  test("stores a record that comes as text as it was written, and recognises that text without parsing it", async () => {
    const { records, begin, contents } = openStore(redis);
    const text = (json: string) => ({ ...incoming("CVE-1", {}), data: Buffer.from(json) });
    const source = `{"z":7.0,"id":"CVE-1","text":"${LARGE}"}`;
    const same = async (json: string) =>
      (await records.lookUp([{ id: "CVE-1", text: Buffer.from(json) }])).map((found) => found.same);
    expect(await same(source)).toEqual([false]);
    expect(await records.commit(await begin("r1"), [text(source)], latestWins)).toMatchObject({ created: 1 });
    expect((await records.get("CVE-1"))!.data).toEqual(JSON.parse(source));
    const before = await contents();
    expect(await same(source)).toEqual([true]);
    expect(await records.commit(await begin("r3"), [text(source)], latestWins)).toMatchObject({
      unchanged: 1,
    });
    expect(await contents()).toEqual(before);

    // Another text of the same record, line feeds included: no change is told, and the new text is recognised from then on.
    const pretty = JSON.stringify(JSON.parse(source), null, 2);
    expect(await records.commit(await begin("r4"), [text(pretty)], latestWins)).toMatchObject({
      unchanged: 1,
      bytesWritten: 0,
    });
    expect(await same(pretty)).toEqual([true]);
    expect(await same(source)).toEqual([false]);
    expect(await records.commit(await begin("r6"), [text(source)], latestWins)).toMatchObject({
      unchanged: 1,
    });

    const changed = source.replace("7.0", "8");
    expect(await records.commit(await begin("r7"), [text(changed)], latestWins)).toMatchObject({
      updated: 1,
    });
    expect((await records.get("CVE-1"))!.data).toEqual(JSON.parse(changed));
    expect(await same(changed)).toEqual([true]);
  });

  test("marks as unchanged only what still is as it was looked up", async () => {
    const { records, begin, counters } = openStore(redis);
    const texts = ["CVE-1", "CVE-2"].map((id) => ({
      id,
      text: Buffer.from(`{"id":"${id}","text":"${LARGE}"}`),
    }));
    const asText = ({ id, text }: (typeof texts)[number]) => ({ ...incoming(id, {}), data: text });
    await records.commit(await begin("r1"), texts.map(asText), latestWins);
    const stored = await records.lookUp(texts);
    const found = texts.map((one, i) => ({ ...one, stored: stored[i]! }));
    expect(stored.map(({ same }) => same)).toEqual([true, true]);
    const other = { ...incoming("CVE-1", { n: 1 }, { fetchedAt: 2 }) };
    await records.commit(await begin("r2"), [other], latestWins);
    const attempt = await begin("r3");
    expect(await records.markUnchanged(attempt, found, 3)).toEqual([found[0]]);
    expect(await counters("r3")).toEqual({ unchanged: 1, "unique:1": 1 });
  });

  test("stores a record whose text has line feeds, with aliases and without", async () => {
    const { records, begin } = openStore(redis);
    const pretty = (id: string, aliases: string[]) => ({
      ...incoming(id, {}, { aliases }),
      data: Buffer.from(JSON.stringify({ id, text: LARGE }, null, 1)),
    });
    await records.commit(await begin("r1"), [pretty("CVE-1", ["T1"]), pretty("CVE-2", [])], latestWins);
    expect(await records.byAlias("T1")).toMatchObject([{ id: "CVE-1", data: { id: "CVE-1", text: LARGE } }]);
    expect(await records.get("CVE-2")).toMatchObject({ data: { id: "CVE-2", text: LARGE } });
  });

  test("of unchanged data, whatever the order of its keys, writes nothing but the run's marks", async () => {
    const { records, begin, counters, contents } = openStore(redis);
    const data = { b: { y: LARGE, x: [1, 2] }, a: 1 };
    await records.commit(await begin("r1"), [incoming("CVE-1", data)], latestWins);
    const before = await contents();
    const again = { a: 1, b: { x: [1, 2], y: LARGE } };
    const result = await records.commit(
      await begin("r2"),
      [incoming("CVE-1", again, { fetchedAt: 2 })],
      latestWins,
    );
    expect(result).toEqual({ created: 0, updated: 0, unchanged: 1, stale: 0, bytesWritten: 0 });
    expect(await counters("r2")).toEqual({ unchanged: 1, "unique:1": 1 });
    expect(await contents()).toEqual(before);
  });

  test("writes only the fields that changed and drops those that are gone", async () => {
    const { records, begin, feed, keys } = openStore(redis);
    const noise = (seed: number) => Array.from({ length: 99 }, (_, i) => (i * 2654435761 * seed) >>> 0);
    const first = { kept: noise(1), changed: "before", gone: "gone", small: 1 };
    await records.commit(await begin("r1"), [incoming("CVE-1", first)], latestWins);
    const stored = await redis.lrangeBuffer(keys.record("CVE-1"), 0, -1);
    const second = { kept: noise(1), changed: "after", small: 2 };
    const result = await records.commit(
      await begin("r2"),
      [incoming("CVE-1", second, { fetchedAt: 2 })],
      latestWins,
    );
    const elements = await redis.lrangeBuffer(keys.record("CVE-1"), 0, -1);
    expect(elements).toHaveLength(2);
    expect(elements[0]).toEqual(stored[0]);
    expect(result.bytesWritten).toBe(elements[1]!.length);
    expect(elements[1]!.length).toBeLessThan(100);
    expect((await records.get("CVE-1"))?.data).toEqual({ id: "CVE-1", ...second });
    const { entries } = await feed.read(undefined, 10);
    expect(entries[1]).toMatchObject({ op: "updated", fields: ["changed", "gone", "small"] });
  });

  test("writes a record whole again when what was changed outweighs half of it", async () => {
    const { records, begin, keys } = openStore(redis);
    const noise = (seed: number) => Array.from({ length: 40 }, (_, i) => (i * 2654435761 * seed) >>> 0);
    const versions = [1, 2, 3, 4, 5, 6].map((v) => ({ kept: noise(1), more: noise(7), changing: noise(v) }));
    let longest = 0;
    for (const [i, version] of versions.entries()) {
      const attempt = await begin(`r${i}`);
      await records.commit(attempt, [incoming("CVE-1", version, { fetchedAt: i + 1 })], latestWins);
      expect((await records.get("CVE-1"))?.data).toEqual({ id: "CVE-1", ...version });
      longest = Math.max(longest, await redis.llen(keys.record("CVE-1")));
    }
    expect(longest).toBe(2);
  });

  test("keeps a small record without lastModified in the index alone, and moves it as it grows and shrinks", async () => {
    const { records, begin, keys, feed } = openStore(redis);
    const versions: JsonObject[] = [{ n: 1 }, { n: 2 }, { n: 2, text: LARGE }, { n: 3 }];
    for (const [i, version] of versions.entries()) {
      const one = incoming("X", version, { fetchedAt: i + 1 });
      await records.commit(await begin(`r${i}`), [one], fetchOrder);
      expect((await records.get("X"))?.data).toEqual(one.data);
      expect(await redis.exists(keys.record("X"))).toBe("text" in version ? 1 : 0);
      const again = { ...one, fetchedAt: i + 1 };
      expect(await records.commit(await begin(`s${i}`), [again], fetchOrder)).toMatchObject({ unchanged: 1 });
    }
    const { entries } = await feed.read(undefined, 10);
    expect(entries.map(({ op, fields }) => [op, fields])).toEqual([
      ["created", []],
      ["updated", ["n"]],
      ["updated", ["text"]],
      ["updated", ["n", "text"]],
    ]);
  });

  test("is refused whole when its batch has a newer attempt", async () => {
    const { records, begin, supersede, contents, counters } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", { n: 1 })], latestWins);
    const before = [await contents(), await counters("r1")];
    await supersede(attempt);
    for (const changed of [incoming("CVE-1", { n: 2 }), incoming("CVE-2", {}), incoming("CVE-1", { n: 1 })]) {
      await expect(records.commit(attempt, [changed], latestWins)).rejects.toMatchObject({
        code: "STOR_FENCED",
      });
    }
    await expect(records.markDead(attempt, ["CVE-3"])).rejects.toMatchObject({ code: "STOR_FENCED" });
    expect([await contents(), await counters("r1")]).toEqual(before);
  });

  test.each(["closing", "closed"])("is refused whole when its run is %s", async (state) => {
    const { records, begin, setState, contents, counters } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", { n: 1 })], latestWins);
    const before = [await contents(), await counters("r1")];
    await setState("r1", state);
    for (const changed of [incoming("CVE-1", { n: 2 }), incoming("CVE-2", {}), incoming("CVE-1", { n: 1 })]) {
      await expect(records.commit(attempt, [changed], latestWins)).rejects.toMatchObject({
        code: "STOR_RUN_CLOSED",
      });
    }
    await expect(records.markDead(attempt, ["CVE-3"])).rejects.toMatchObject({ code: "STOR_RUN_CLOSED" });
    expect([await contents(), await counters("r1")]).toEqual(before);
  });

  test("of an older version never replaces a newer one, in whatever order they come", async () => {
    const { records, begin, counters } = openStore(redis);
    const attempt = await begin("r1");
    const newer = incoming("CVE-1", { v: "newer" }, { lastModified: day(2), fetchedAt: 10 });
    const older = incoming("CVE-1", { v: "older" }, { lastModified: day(1), fetchedAt: 20 });
    const earlier = incoming("CVE-1", { v: "earlier" }, { lastModified: day(2), fetchedAt: 9 });
    await records.commit(attempt, [newer], latestWins);
    expect(await records.commit(attempt, [older], latestWins)).toMatchObject({ stale: 1, updated: 0 });
    expect(await records.commit(attempt, [earlier], latestWins)).toMatchObject({ stale: 1, updated: 0 });
    expect((await records.get("CVE-1"))?.data.v).toBe("newer");
    expect(await counters("r1")).toEqual({ created: 1, "unique:1": 1 });
  });

  test("of a snapshot follows the fetch time alone, back to a lower version too", async () => {
    const { records, begin } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(
      attempt,
      [incoming("CVE-1", { v: 2 }, { lastModified: day(2), fetchedAt: 10 })],
      fetchOrder,
    );
    await records.commit(
      attempt,
      [incoming("CVE-1", { v: 1 }, { lastModified: day(1), fetchedAt: 20 })],
      fetchOrder,
    );
    expect((await records.get("CVE-1"))?.data.v).toBe(1);
    await records.commit(
      attempt,
      [incoming("CVE-1", { v: 3 }, { lastModified: day(3), fetchedAt: 19 })],
      fetchOrder,
    );
    expect((await records.get("CVE-1"))?.data.v).toBe(1);
  });

  test("yields to a later fetch of the same run even where that one found nothing to write", async () => {
    const { records, begin } = openStore(redis);
    await records.commit(await begin("r1"), [incoming("CVE-1", { v: "A" }, { fetchedAt: 1 })], fetchOrder);
    const attempt = await begin("r2");
    await records.commit(attempt, [incoming("CVE-1", { v: "A" }, { fetchedAt: 10 })], fetchOrder);
    const late = await records.commit(attempt, [incoming("CVE-1", { v: "B" }, { fetchedAt: 5 })], fetchOrder);
    expect(late).toMatchObject({ stale: 1, updated: 0, bytesWritten: 0 });
    expect((await records.get("CVE-1"))?.data.v).toBe("A");
  });

  test("of several copies of one id counts it once and keeps the greatest version", async () => {
    const { records, begin, counters } = openStore(redis);
    const copies = [2, 3, 1].map((n) => incoming("CVE-1", { n }, { lastModified: day(n) }));
    expect(await records.commit(await begin("r1"), copies, latestWins)).toMatchObject({
      created: 1,
      updated: 0,
    });
    expect((await records.get("CVE-1"))?.data.n).toBe(3);
    expect(await counters("r1")).toEqual({ created: 1, "unique:1": 1 });
  });

  test("that was killed between its steps is repeated and counts every record once, as what it was", async () => {
    const { records, begin, counters, feed } = openStore(redis);
    await records.commit(await begin("r0"), [incoming("CVE-0500", { n: "old" })], latestWins);
    const all = Array.from({ length: 1000 }, (_, i) =>
      incoming(`CVE-${String(i).padStart(4, "0")}`, { n: i }, { fetchedAt: 2 }),
    );
    // The first attempt got as far as some of its steps.
    await records.commit(await begin("r1", 1), [...all.slice(0, 64), all[500]!], latestWins);
    const repeated = all.map((record) => ({ ...record, fetchedAt: 3 }));
    const result = await records.commit(await begin("r1", 2), repeated, latestWins);
    expect(result).toMatchObject({ created: 935, updated: 0, unchanged: 65 });
    expect(await counters("r1")).toEqual({ created: 999, updated: 1, "unique:1": 1000 });
    expect((await feed.read(undefined, 5000)).entries).toHaveLength(1001);
  });

  test("of writers that race for the same records ends with the latest fetch, in any order", async () => {
    const { records, begin, feed } = openStore(redis);
    const attempt = await begin("r1");
    const ids = Array.from({ length: 100 }, (_, i) => `CVE-${i}`);
    const writers = [3, 5, 1, 4, 2].map((fetchedAt) =>
      records.commit(
        attempt,
        ids.map((id) =>
          incoming(id, { text: LARGE, by: fetchedAt, [`only-${fetchedAt}`]: LARGE }, { fetchedAt }),
        ),
        fetchOrder,
      ),
    );
    await Promise.all(writers);
    for (const id of ids) {
      expect((await records.get(id))?.data).toEqual({ id, text: LARGE, by: 5, "only-5": LARGE });
    }
    const { entries } = await feed.read(undefined, 1000);
    for (const id of ids) {
      const ops = entries.filter((entry) => entry.id === id).map(({ op }) => op);
      expect(ops[0]).toBe("created");
      expect(ops.slice(1).every((op) => op === "updated")).toBe(true);
    }
  });

  describe("with another writer between reading and writing", () => {
    /** A store whose first read of the index is followed at once by what the other hand does. */
    function meddled(keys: ReturnType<typeof openStore>["keys"], hand: () => Promise<unknown>) {
      const client = server.client();
      const call = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
      let done = false;
      Object.assign(client, {
        async callBuffer(name: string, args: unknown[]) {
          const found = await call(name, args);
          if (!done && args.includes(keys.indexPrefix)) {
            done = true;
            await hand();
          }
          return found;
        },
      });
      return openStoreOn(client, keys);
    }

    test("compares a changed record again: the other writer was newer", async () => {
      const { records, begin, keys } = openStore(redis);
      const attempt = await begin("r1");
      await records.commit(attempt, [incoming("CVE-1", { v: 1 }, { fetchedAt: 1 })], fetchOrder);
      const other = meddled(keys, () =>
        records.commit(attempt, [incoming("CVE-1", { v: 3 }, { fetchedAt: 3 })], fetchOrder),
      );
      const late = await other.commit(attempt, [incoming("CVE-1", { v: 2 }, { fetchedAt: 2 })], fetchOrder);
      expect(late).toMatchObject({ stale: 1, updated: 0 });
      expect((await records.get("CVE-1"))?.data.v).toBe(3);
    });

    test("compares an unchanged record again: the other writer was older", async () => {
      const { records, begin, keys, counters } = openStore(redis);
      await records.commit(await begin("r1"), [incoming("CVE-1", { v: "A" }, { fetchedAt: 1 })], fetchOrder);
      const attempt = await begin("r2");
      const other = meddled(keys, () =>
        records.commit(attempt, [incoming("CVE-1", { v: "B" }, { fetchedAt: 5 })], fetchOrder),
      );
      const result = await other.commit(
        attempt,
        [incoming("CVE-1", { v: "A" }, { fetchedAt: 10 })],
        fetchOrder,
      );
      expect(result).toMatchObject({ updated: 1, unchanged: 0 });
      expect((await records.get("CVE-1"))?.data.v).toBe("A");
      expect(await counters("r2")).toEqual({ updated: 1, "unique:1": 1 });
    });

    test("does not create what was created and removed meanwhile", async () => {
      const { records, begin, keys } = openStore(redis);
      const tombstone = { at: 100, reason: "gone", runId: "r0", firstSeen: "2025-01-01T00:00:00.000Z" };
      const other = meddled(keys, () => redis.hset(keys.tombstones, "CVE-1", JSON.stringify(tombstone)));
      const late = await other.commit(
        await begin("r1"),
        [incoming("CVE-1", {}, { fetchedAt: 99 })],
        fetchOrder,
      );
      expect(late).toMatchObject({ stale: 1, created: 0 });
      expect(await records.get("CVE-1")).toBeUndefined();
      expect(await records.count()).toBe(0);
    });
  });

  test("that meets ever new versions gives up with a code", async () => {
    const { records, begin, keys } = openStore(redis);
    const attempt = await begin("r1");
    const meddled = server.client();
    let version = 1;
    await records.commit(attempt, [incoming("CVE-1", { version }, { fetchedAt: 1 })], fetchOrder);
    const call = meddled.callBuffer.bind(meddled) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(meddled, {
      async callBuffer(name: string, args: unknown[]) {
        const found = await call(name, args);
        version++;
        await records.commit(attempt, [incoming("CVE-1", { version }, { fetchedAt: version })], fetchOrder);
        return found;
      },
    });
    const other = openStoreOn(meddled, keys);
    await expect(
      other.commit(attempt, [incoming("CVE-1", { version: "mine" }, { fetchedAt: 1e9 })], fetchOrder),
    ).rejects.toMatchObject({ code: "STOR_CONTENDED" });
    meddled.disconnect();
  });

  test("stops between steps when its signal fires", async () => {
    const { records, begin } = openStore(redis);
    const aborted: CommitOptions = { ...latestWins, signal: AbortSignal.abort(new Error("superseded")) };
    await expect(records.commit(await begin("r1"), [incoming("CVE-1", {})], aborted)).rejects.toThrow(
      "superseded",
    );
    expect(await records.count()).toBe(0);
  });

  test("takes a record far over a step's size alone, and hundreds of fields in one", async () => {
    const { records, begin } = openStore(redis);
    const noise = Array.from({ length: 20_000 }, (_, i) => (i * 2654435761) >>> 0);
    const wide = Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`field ${i}`, `${LARGE}${i}`]));
    const list = [
      incoming("CVE-1", { n: 1 }),
      incoming("CVE-2", { noise, more: noise }),
      incoming("CVE-3", wide),
    ];
    await records.commit(await begin("r1"), list, latestWins);
    for (const { id, data } of list) expect((await records.get(id))?.data).toEqual(data);
    const changed = [incoming("CVE-3", { ...wide, "field 1": 1 }, { fetchedAt: 2 })];
    await records.commit(await begin("r2"), changed, latestWins);
    expect((await records.get("CVE-3"))?.data).toEqual(changed[0]!.data);
  });

  test("after a change of the digest algorithm rewrites no content and adds no change", async () => {
    const { records, begin, feed, keys, counters } = openStore(redis);
    const data = { text: LARGE, n: 1 };
    await records.commit(await begin("r1"), [incoming("CVE-1", data), incoming("CVE-2", data)], latestWins);
    const before = await records.get("CVE-1");
    // As an older algorithm would have left them: other digests.
    for (const id of ["CVE-1", "CVE-2"]) {
      const entry = (await redis.hgetBuffer(keys.indexBucket(id), id))!;
      entry.fill(0, 1, 16);
      await redis.hset(keys.indexBucket(id), id, entry);
    }
    const result = await records.commit(
      await begin("r2"),
      [incoming("CVE-1", data, { fetchedAt: 2 }), incoming("CVE-2", { ...data, n: 2 }, { fetchedAt: 2 })],
      latestWins,
    );
    expect(result).toMatchObject({ unchanged: 1, updated: 1 });
    expect(await counters("r2")).toEqual({ unchanged: 1, updated: 1, "unique:1": 2 });
    expect(await records.get("CVE-1")).toEqual(before);
    const { entries } = await feed.read(undefined, 10);
    expect(entries.slice(2).map(({ id, fields }) => ({ id, fields }))).toEqual([
      { id: "CVE-2", fields: ["n"] },
    ]);
    const third = await records.commit(
      await begin("r3"),
      [incoming("CVE-1", data, { fetchedAt: 3 })],
      latestWins,
    );
    expect(third).toMatchObject({ unchanged: 1, bytesWritten: 0 });
  });

  test("refuses to touch what a newer UEE has written", async () => {
    const { records, begin, keys, contents } = openStore(redis);
    await records.commit(await begin("r1"), [incoming("CVE-1", { n: 1 })], latestWins);
    const bucket = keys.indexBucket("CVE-1");
    const entry = (await redis.hgetBuffer(bucket, "CVE-1"))!;
    entry[0] = 99;
    await redis.hset(bucket, "CVE-1", entry);
    const before = await contents();
    await expect(
      records.commit(await begin("r2"), [incoming("CVE-1", { n: 2 }, { fetchedAt: 2 })], latestWins),
    ).rejects.toMatchObject({ code: "SYS_SCHEMA_NEWER" });
    expect(await contents()).toEqual(before);
  });
});

function openStoreOn(client: Redis, keys: ReturnType<typeof openStore>["keys"]) {
  return makeProviderRecords({ redis: client, keys, provider, changesLimit: 1000 });
}

describe("what a run has seen", () => {
  const accepting: CommitOptions = { staleness: "latest-wins", acceptRepeatedRegression: true };

  test("counts each id once, as dead only while its last word is bad", async () => {
    const { records, begin, counters } = openStore(redis);
    const attempt = await begin("r1");
    await records.commit(attempt, [incoming("CVE-1", {}), incoming("CVE-2", {})], latestWins);
    await records.markDead(attempt, ["CVE-2", "CVE-3", "CVE-3"]);
    expect(await counters("r1")).toEqual({ created: 1, dead: 2, "unique:1": 3 });
    await records.commit(attempt, [incoming("CVE-3", {}, { fetchedAt: 2 })], latestWins);
    expect(await counters("r1")).toEqual({ created: 2, dead: 1, "unique:1": 3 });
  });

  test("turns from unchanged to updated when a later batch brings a newer version", async () => {
    const { records, begin, counters } = openStore(redis);
    await records.commit(await begin("r1"), [incoming("CVE-1", { n: 1 })], latestWins);
    const attempt = await begin("r2");
    await records.commit(attempt, [incoming("CVE-1", { n: 1 }, { fetchedAt: 2 })], latestWins);
    await records.commit(attempt, [incoming("CVE-1", { n: 2 }, { fetchedAt: 3 })], latestWins);
    expect(await counters("r2")).toEqual({ updated: 1, "unique:1": 1 });
  });

  test("is unique per pass, and unseen are the live ids that this pass has not met", async () => {
    const { records, begin, counters } = openStore(redis);
    const many = Array.from({ length: 1200 }, (_, i) => incoming(`CVE-${i}`, { n: i }));
    await records.commit(await begin("r1"), many, latestWins);
    const first = await begin("r2", 1, 1);
    await records.commit(
      first,
      many.map((record) => ({ ...record, fetchedAt: 2 })),
      latestWins,
    );
    const second = await begin("r2", 2, 2);
    await records.commit(
      second,
      many.slice(3).map((record) => ({ ...record, fetchedAt: 3 })),
      latestWins,
    );
    await records.markDead(second, ["CVE-0"]);
    expect(await counters("r2")).toEqual({ unchanged: 1199, dead: 1, "unique:1": 1200, "unique:2": 1198 });
    expect((await collect(records.unseen("r2", 2))).flat().sort()).toEqual(["CVE-1", "CVE-2"]);
  });

  test("a lower version is the upstream's truth once two passes have seen it with the same content", async () => {
    const { records, begin, counters } = openStore(redis);
    await records.commit(
      await begin("r1"),
      [incoming("CVE-1", { v: 2 }, { lastModified: day(2) })],
      accepting,
    );
    const lower = (fetchedAt: number, v = 1) => [
      incoming("CVE-1", { v }, { lastModified: day(1), fetchedAt }),
    ];
    const pass1 = await begin("r2", 1, 1);
    expect(await records.commit(pass1, lower(2), accepting)).toMatchObject({ stale: 1 });
    expect(await records.commit(pass1, lower(3), accepting)).toMatchObject({ stale: 1 });
    expect(await counters("r2")).toEqual({ unchanged: 1, "unique:1": 1, "regressed:1": 1 });
    const pass2 = await begin("r2", 2, 2);
    expect(await records.commit(pass2, lower(4, 0), accepting)).toMatchObject({ stale: 1 });
    const pass3 = await begin("r2", 3, 3);
    expect(await records.commit(pass3, lower(5, 0), accepting)).toMatchObject({ updated: 1, stale: 0 });
    expect((await records.get("CVE-1"))?.data.v).toBe(0);
    expect(await counters("r2")).toEqual({
      updated: 1,
      "unique:1": 1,
      "unique:2": 1,
      "unique:3": 1,
      "regressed:1": 1,
      "regressed:2": 1,
    });
  });
});
