/** A store of schema version 1 is read as it is, and migrated while it is read. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import type { JsonObject } from "../../../src/core/json.ts";
import { type Layout1Given, writeLayout1 } from "../../support/layout1.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { jsonRecord } from "../../unit/records/support.ts";
import {
  collect,
  fetchOrder,
  incoming,
  LARGE,
  latestWins,
  openStore,
  provider,
  realRecords,
} from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

const damagedNever = (id: string, error: Error) => {
  throw new Error(`${id}: ${error.message}`);
};

const given = (count: number): Layout1Given[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `CVE-${String(i).padStart(5, "0")}`,
    data: {
      id: `CVE-${i}`,
      n: i,
      text: i % 3 === 0 ? `${LARGE}${i}`.repeat(6) : "short",
      list: [i, { a: LARGE }],
    },
    fetchedAt: 1_700_000_000_000_000 + i,
    lastModified: Date.parse("2025-01-01") + i,
    firstSeen: 1_600_000_000_000 + i,
    lastChanged: 1_650_000_000_000 + i,
    ...(i % 5 === 0 ? { aliases: [`T${i}`, "T-all"] } : {}),
  }));

describe("the migration of records of schema version 1", () => {
  test("changes nothing that a reader sees, before, meanwhile and after", async () => {
    const { records, keys } = openStore(redis);
    await writeLayout1(redis, keys, given(1500));
    const before = await collect(records.export({}));
    expect(before).toHaveLength(1500);
    expect(before[7]).toMatchObject({
      id: "CVE-00007",
      data: given(8)[7]!.data,
      firstSeen: new Date(1_600_000_000_007).toISOString(),
      lastChanged: new Date(1_650_000_000_007).toISOString(),
    });
    for await (const { left } of records.migrate(damagedNever)) {
      expect(await records.count()).toBe(1500);
      if (left > 300 && left < 1200) expect(await collect(records.export({}))).toEqual(before);
    }
    expect(await records.recordsToMigrate()).toBe(0);
    expect(await collect(records.export({}))).toEqual(before);
    expect(await collect(records.export({ since: 1_650_000_001_400 }))).toHaveLength(100);
    expect((await records.byAlias("T-all")).map(({ id }) => id)).toHaveLength(300);
    expect(
      await redis.exists(keys.layout1.index, keys.layout1.changed, keys.layout1.record("CVE-00001")),
    ).toBe(0);
  });

  test("may be done by several processes at once, and goes on where one of them died", async () => {
    const { records, keys } = openStore(redis);
    await writeLayout1(redis, keys, given(1200));
    const before = await collect(records.export({}));
    for (let kills = 0; kills < 20; kills++) {
      // Ends the iteration after a page, wherever the other one is.
      const migrations = [records.migrate(damagedNever), records.migrate(damagedNever)];
      const done = await Promise.all(
        migrations.map(async (migration) => {
          for await (const _step of migration) return false;
          return true;
        }),
      );
      expect(await records.count()).toBe(1200);
      if (done.includes(true)) break;
    }
    for await (const _step of records.migrate(damagedNever)) {
      // to the end
    }
    expect(await collect(records.export({}))).toEqual(before);
    expect(await records.recordsToMigrate()).toBe(0);
  });

  test("killed at 20 points, under load: what readers see stays equal byte by byte, and cursors stay valid", async () => {
    const { records, keys, begin, feed, prefix } = openStore(redis);
    await records.commit(await begin("r0"), [incoming("CVE-X", { n: 1, text: LARGE })], latestWins);
    const { cursor } = await feed.read(undefined, 10);
    await writeLayout1(redis, keys, given(2400));
    const text = async () =>
      (await collect(records.export({}))).map((record) => JSON.stringify(record)).join("\n");
    const before = await text();
    let reading = true;
    let reads = 0;
    const reader = (async () => {
      while (reading) {
        // A difference would be megabytes.
        expect((await text()) === before).toBe(true);
        reads++;
      }
    })();
    const left = async () => await records.recordsToMigrate();
    const killed: number[] = [];
    for (let nth = 2; killed.length < 20; nth += 3) {
      const earlier = await left();
      const plan = JSON.stringify({ url: server.url, prefix, provider, nth });
      const child = spawn(process.execPath, ["test/support/killableMigration.mjs", plan], {
        stdio: "ignore",
      });
      const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
      expect([code, signal]).toEqual([null, "SIGKILL"]);
      killed.push(earlier - (await left()));
    }
    // The kills came in the midst of the work: some steps were done, and much was left.
    expect(killed.some((moved) => moved > 0)).toBe(true);
    expect(await left()).toBeGreaterThan(0);
    for await (const _step of records.migrate(damagedNever)) {
      // to the end
    }
    reading = false;
    await reader;
    expect(reads).toBeGreaterThan(0);
    expect(await left()).toBe(0);
    expect((await text()) === before).toBe(true);
    expect(await records.count()).toBe(2401);
    expect(await feed.end()).toBe(cursor);
    expect((await feed.read(cursor, 10)).entries).toEqual([]);
  }, 120_000);

  test("adds nothing to the change feed, and the next commit finds everything unchanged", async () => {
    const { records, keys, begin, feed } = openStore(redis);
    await records.commit(await begin("r0"), [incoming("CVE-X", { n: 1, text: LARGE })], latestWins);
    const { cursor, entries } = await feed.read(undefined, 10);
    const olds = given(40);
    await writeLayout1(redis, keys, olds);
    for await (const _step of records.migrate(damagedNever)) {
      // to the end
    }
    expect((await feed.read(undefined, 10)).entries).toEqual(entries);
    expect(await feed.end()).toBe(cursor);
    const again = olds.map(({ id, data, aliases = [], lastModified, fetchedAt }) => ({
      id,
      data,
      aliases,
      lastModified: new Date(lastModified!).toISOString(),
      fetchedAt: fetchedAt + 1,
    }));
    expect(await records.commit(await begin("r1"), again, latestWins)).toMatchObject({
      unchanged: 40,
      updated: 0,
      bytesWritten: 0,
    });
    const changed = { ...again[0]!, data: { ...again[0]!.data, n: "new" }, fetchedAt: 2e15 };
    expect(await records.commit(await begin("r2"), [changed], fetchOrder)).toMatchObject({ updated: 1 });
    expect((await feed.read(cursor, 10)).entries).toMatchObject([{ id: "CVE-00000", fields: ["n"] }]);
  });

  test("keeps any JSON as it was", async () => {
    let store = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(jsonRecord, { minLength: 1, maxLength: 6 }), async (datas: JsonObject[]) => {
        const { records, keys } = openStore(redis);
        await writeLayout1(
          redis,
          keys,
          datas.map((data, i) => ({
            id: `X-${store}-${i}`,
            data,
            fetchedAt: 1,
            firstSeen: 1,
            lastChanged: 2,
          })),
        );
        const before = await collect(records.export({}));
        for await (const _step of records.migrate(damagedNever)) {
          // to the end
        }
        const after = await collect(records.export({}));
        expect(JSON.stringify(after.map(({ data }) => sorted(data)))).toBe(
          JSON.stringify(before.map(({ data }) => sorted(data))),
        );
        store++;
      }),
      { numRuns: 60 },
    );
  });

  test("drops a damaged record, says so, and lets no change key claim that the store is whole", async () => {
    const { records, keys } = openStore(redis);
    await writeLayout1(redis, keys, given(10));
    await redis.hset(keys.layout1.record("CVE-00003"), "h", "garbage");
    await redis.hset(keys.meta, "changeKey", "{}");
    const damaged: string[] = [];
    for await (const _step of records.migrate((id, error) => damaged.push(`${id} ${error.code}`))) {
      // to the end
    }
    expect(damaged).toEqual(["CVE-00003 STOR_CORRUPT"]);
    expect(await collect(records.export({}))).toHaveLength(9);
    expect(await redis.hget(keys.meta, "changeKey")).toBeNull();
  });
});

const real = realRecords("nvd/edge-cases.ndjson.gz");
const withReal = real ? test : test.skip;
withReal("real records come through the migration byte by byte (needs the shared data)", async () => {
  const { records, keys } = openStore(redis);
  const cves = real!.map((line) => line.cve as JsonObject);
  await writeLayout1(
    redis,
    keys,
    cves.map((data) => ({ id: data.id as string, data, fetchedAt: 1, firstSeen: 1, lastChanged: 2 })),
  );
  const before = JSON.stringify(await collect(records.export({})));
  for await (const _step of records.migrate(damagedNever)) {
    // to the end
  }
  expect(
    JSON.stringify((await collect(records.export({}))).map((one) => ({ ...one, data: sorted(one.data) }))),
  ).toBe(
    JSON.stringify(
      (JSON.parse(before) as { data: JsonObject }[]).map((one) => ({ ...one, data: sorted(one.data) })),
    ),
  );
});

/** With keys in order at every level: key order is not kept. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value as JsonObject)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, sorted(one)]);
}
