/** The index of links equals what a walk over all records finds, whatever was committed, removed, repeated or killed. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Link } from "../../../src/core/links.ts";
import { indexedLinks, walkedLinks } from "../../support/linkIndex.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { collect, fetchOrder, incoming, LARGE, openStore } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const links = (data: JsonObject): Link[] => (data.links ?? []) as Link[];
const all = { limit: Number.MAX_SAFE_INTEGER };

/** Numbers of a seed, below `n`. */
function randomOf(seed: number): (n: number) => number {
  let state = seed * 2654435761;
  return (n) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return state % n;
  };
}

// Neighbours, ids whose ends repeat inside others, short ones, and characters of several bytes.
const idPool = [
  ...Array.from({ length: 80 }, (_, i) => `CVE-2021-${1000 + i * 11}`),
  ...["a", "ab", "abc", "CWE-111", "CWE-1111", "1111111", "日本", "relationship--é", "x".repeat(256)],
];
const targetPool = Array.from({ length: 12 }, (_, i) => (i % 4 === 0 ? idPool[i]! : `CWE-${i}`));

function randomLinks(below: (n: number) => number): Link[] {
  return Array.from({ length: below(4) }, () => ({
    provider: below(3) === 0 ? "cve" : "cwe",
    id: targetPool[below(targetPool.length)]!,
    relation: below(2) === 0 ? "names" : "follows",
    ...(below(5) === 0 ? { from: targetPool[below(targetPool.length)]! } : {}),
  }));
}

type Store = ReturnType<typeof openStore>;

/** The index must equal the walk. */
async function expectEqual({ records, keys }: Store): Promise<void> {
  const store = { redis, keys, records, source: { links } };
  expect(await indexedLinks(store)).toEqual(await walkedLinks(store));
}

function signal(): [happened: Promise<void>, happen: () => void] {
  let happen = () => {};
  return [new Promise((resolve) => (happen = resolve)), () => happen()];
}

/** Does something on a connection of its own that is cut off after some turns of the event loop. */
async function cutOff(turns: number, work: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = server.client();
  await client.ping();
  const done = work(client).catch(() => undefined);
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
  client.disconnect();
  await done;
}

describe("the index of links", () => {
  test.each([1, 2, 3, 4, 5])("equals a walk over all records after random work, seed %i", async (seed) => {
    const store = openStore(redis, { links });
    const below = randomOf(seed);
    const some = (n: number) => Array.from({ length: 1 + below(n) }, () => idPool[below(idPool.length)]!);
    for (let round = 1; round <= 12; round++) {
      const attempt = await store.begin(`r${round}`, round);
      const records = some(70).map((id) =>
        incoming(
          id,
          { links: randomLinks(below), text: below(2) ? LARGE : "short" },
          { fetchedAt: round * 10, aliases: below(9) === 0 ? ["A"] : [] },
        ),
      );
      if (below(2)) {
        await cutOff(below(12), (client) => store.over(client).commit(attempt, records, fetchOrder));
        await expectEqual(store);
      }
      // A superseded attempt writes nothing, links included.
      const late = [incoming(idPool[0]!, { links: randomLinks(below) }, { fetchedAt: round * 10 + 1 })];
      await store.records
        .commit({ ...attempt, fence: round - 1 }, late, fetchOrder)
        .catch((error) => expect(error).toMatchObject({ code: "STOR_FENCED" }));
      await store.records.commit(attempt, records, fetchOrder);
      await store.records.commit(attempt, records, fetchOrder);
      await expectEqual(store);
      await store.setState(`r${round}`, "closing");
      const gone = some(25);
      if (below(2)) await cutOff(below(8), (client) => store.over(client).remove(attempt, gone, "gone"));
      await store.records.remove(attempt, gone, "gone");
      await expectEqual(store);
    }
    expect((await redis.keys(`${store.keys.linksPrefix}*`)).length).toBeGreaterThan(5);
  });

  test("is made of the records of an older version, killed and raced by commits and removals", async () => {
    const store = openStore(redis, { links });
    const older = store.over(redis, undefined);
    const below = randomOf(99);
    const randomRecords = (fetchedAt: number) =>
      Array.from({ length: 400 }, (_, i) =>
        incoming(`CVE-2024-${10_000 + i}`, { links: randomLinks(below) }, { fetchedAt }),
      );
    const attempt = await store.begin("r1");
    await older.commit(attempt, randomRecords(1), fetchOrder);
    // What an older version leaves behind of a newer one's index is dropped.
    await redis.hset(store.keys.linksTo("cwe", "CWE-1"), "CVE-1999-0", "001");
    expect(await store.records.linksComplete()).toBe(false);
    for (const turns of [3, 40, 150]) {
      await cutOff(turns, (client) => collect(store.over(client).buildLinks()));
    }
    const client = server.client();
    const builders = [store.records, store.over(client)].map((records) => collect(records.buildLinks()));
    const [first, second] = [randomRecords(2), randomRecords(3)];
    await store.records.commit(attempt, first, fetchOrder);
    await store.setState("r1", "closing");
    await store.records.remove(
      attempt,
      second.slice(0, 50).map(({ id }) => id),
      "gone",
    );
    await store.setState("r1", "open");
    await store.records.commit(attempt, second.slice(25), fetchOrder);
    await Promise.all(builders);
    client.disconnect();
    expect(await store.records.linksComplete()).toBe(true);
    await expectEqual(store);
    expect((await store.records.linksTo("cwe", "CWE-1", all)).ids).not.toContain("CVE-1999-0001");
  });

  test("is not touched by a process that slept while another one made it", async () => {
    const store = openStore(redis, { links });
    const attempt = await store.begin("r1");
    const named = incoming("CVE-2024-1000", { links: [{ provider: "cwe", id: "CWE-1", relation: "x" }] });
    await store.over(redis, undefined).commit(attempt, [named], fetchOrder);
    await redis.hset(store.keys.linksTo("cwe", "CWE-1"), "CVE-1999-0", "001");
    const client = server.client();
    const scan = client.scan.bind(client) as (...args: unknown[]) => Promise<[string, string[]]>;
    const [asleep, fallAsleep] = signal();
    const [awake, wake] = signal();
    client.scan = (async (...args: unknown[]) => {
      const found = await scan(...args);
      fallAsleep();
      await awake;
      return found;
    }) as typeof client.scan;
    const sleeper = collect(store.over(client).buildLinks());
    await asleep;
    await collect(store.records.buildLinks());
    wake();
    expect(await sleeper).toEqual([]);
    await expectEqual(store);
    client.disconnect();
  });

  test("is complete from the start in a new store, and where records name nothing", async () => {
    const store = openStore(redis, { links });
    expect(await collect(store.records.buildLinks())).toEqual([]);
    expect(await store.records.linksComplete()).toBe(true);
    expect(await openStore(redis).records.linksComplete()).toBe(true);
  });

  test("is read in pages, in the order of ids, with the number of all", async () => {
    const { records, begin } = openStore(redis, { links });
    const attempt = await begin("r1");
    const ids = Array.from({ length: 1_200 }, (_, i) => `CVE-2021-${1_000 + i}`);
    const link = { provider: "cwe", id: "CWE-79", relation: "weakness" };
    await records.commit(
      attempt,
      ids.map((id) => incoming(id, { links: [link] })),
      fetchOrder,
    );
    const pages: string[] = [];
    for (let after = ""; ; after = pages.at(-1)!) {
      const page = await records.linksTo("cwe", "CWE-79", { limit: 500, after });
      pages.push(...page.ids);
      expect(page.left).toBe(1_200 - pages.length);
      if (page.left === 0) break;
    }
    expect(pages).toEqual([...ids].sort());
    expect(await records.linksTo("cwe", "CWE-80", { limit: 5 })).toEqual({ ids: [], left: 0 });
  });

  test("bounds what one record may cost, and one whose links cannot be read has none", async () => {
    const { records, begin } = openStore(redis, {
      links: (data) => {
        if (data.broken) throw new TypeError("cannot read");
        return links(data);
      },
    });
    const attempt = await begin("r1");
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      provider: "cwe",
      id: `CWE-${i}`,
      relation: "x",
    }));
    const odd = [
      { provider: "cwe", id: 7, relation: "x" },
      { provider: "cwe", id: "CWE-1", relation: "x" },
    ];
    await records.commit(
      attempt,
      [incoming("A", { links: many }), incoming("B", { broken: true }), incoming("C", { links: odd })],
      fetchOrder,
    );
    expect((await records.linksTo("cwe", "CWE-1023", all)).ids).toEqual(["A"]);
    expect((await records.linksTo("cwe", "CWE-1024", all)).ids).toEqual([]);
    expect((await records.linksTo("cwe", "CWE-1", all)).ids).toEqual(["A", "C"]);
    expect(await records.get("B")).toBeDefined();
  });
});
