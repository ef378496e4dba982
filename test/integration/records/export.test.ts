import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { canonicalJson, type JsonObject } from "../../../src/core/json.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { jsonRecord } from "../../unit/records/support.ts";
import { collect, fetchOrder, incoming, LARGE, latestWins, openStore, realRecords } from "./support.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());

describe("the export", () => {
  test("gives all live records sorted by id, code unit by code unit", async () => {
    const { records, begin } = openStore(redis);
    const ids = [
      "CVE-2",
      "CVE-10",
      "a",
      "Z",
      "é",
      "CVE-1",
      ...Array.from({ length: 700 }, (_, i) => `n-${i * 7}`),
    ];
    await records.commit(
      await begin("r1"),
      ids.map((id) => incoming(id, { text: LARGE })),
      latestWins,
    );
    expect((await collect(records.export({}))).map(({ id }) => id)).toEqual([...ids].sort());
  });

  test("since a time gives those changed at or after it", async () => {
    const { records, begin, keys } = openStore(redis);
    const ids = Array.from({ length: 2500 }, (_, i) => `CVE-${String(i).padStart(4, "0")}`);
    await records.commit(
      await begin("r1"),
      ids.map((id) => incoming(id, { n: 1, text: LARGE })),
      latestWins,
    );
    for (const [i, id] of ids.entries()) {
      const entry = (await redis.hgetBuffer(keys.indexBucket(id), id))!;
      const lastChangedAt = 50;
      entry.writeUIntBE(i < 5 ? 1000 : 2000, lastChangedAt, 6);
      await redis.hset(keys.indexBucket(id), id, entry);
    }
    expect(await collect(records.export({ since: 2000 }))).toHaveLength(2495);
    expect(await collect(records.export({ since: 2001 }))).toHaveLength(0);
    const [first] = await collect(records.export({ since: 1000 }));
    expect(first?.id).toBe("CVE-0000");
    const changed = incoming("CVE-0007", { n: 2 }, { fetchedAt: 2 });
    await records.commit(await begin("r2"), [changed], latestWins);
    const since = Date.parse((await records.get("CVE-0007"))!.lastChanged);
    expect((await collect(records.export({ since }))).map(({ id }) => id)).toEqual(["CVE-0007"]);
  });

  test("ends when its signal fires", async () => {
    const { records, begin } = openStore(redis);
    await records.commit(await begin("r1"), [incoming("CVE-1", {})], latestWins);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(collect(records.export({ signal }))).rejects.toThrow("enough");
  });

  test("gives back any JSON as it came, after any change to any other JSON", async () => {
    const { records, begin } = openStore(redis);
    const attempt = await begin("r1");
    let fetchedAt = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(jsonRecord, { minLength: 1, maxLength: 4 }), async (versions) => {
        for (const data of versions) {
          fetchedAt++;
          await records.commit(
            attempt,
            [{ id: "any", data, lastModified: null, aliases: [], fetchedAt }],
            fetchOrder,
          );
          const back = (await records.get("any"))!.data;
          expect(canonicalJson(back)).toBe(canonicalJson(data));
          expect(isDeepStrictEqual(back, JSON.parse(JSON.stringify(data)))).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  const before = realRecords("nvd/cve-before.ndjson.gz");
  const after = realRecords("nvd/cve-after.ndjson.gz");
  const edges = realRecords("nvd/edge-cases.ndjson.gz");
  const real = before && after && edges ? test : test.skip;
  real(
    "of real CVEs equals their source, two years on and back again (skipped without ../shared/data)",
    async () => {
      const { records, begin, feed } = openStore(redis);
      const pick = (list: JsonObject[]) => list.filter((_, i) => i % 9 === 0);
      const versions = [pick(before!), pick(after!), pick(before!)];
      const differing = versions[0]!.filter(
        (cve, i) => canonicalJson(cve) !== canonicalJson(versions[1]![i]),
      ).length;
      expect(differing).toBeGreaterThan(1000);
      for (const [i, version] of versions.entries()) {
        const attempt = await begin(`r${i}`);
        const list = version.map((data) => incoming(data.id as string, data, { fetchedAt: i + 1 }));
        const result = await records.commit(attempt, list, fetchOrder);
        expect(i === 0 ? result.created : result.updated).toBe(i === 0 ? version.length : differing);
        await expectStored(records, version);
      }
      const changes = (await feed.read(await feed.end(), 1)).entries;
      expect(changes).toEqual([]);
      const extremes = edges!.map((edge) => edge.cve as JsonObject);
      const ids = new Map(extremes.map((cve, i) => [`${cve.id as string}#${i}`, cve]));
      const attempt = await begin("r9");
      await records.commit(
        attempt,
        [...ids].map(([id, data]) => ({ id, data, lastModified: null, aliases: [], fetchedAt: 9 })),
        fetchOrder,
      );
      for (const [id, cve] of ids)
        expect(canonicalJson((await records.get(id))?.data)).toBe(canonicalJson(cve));
    },
  );
});

async function expectStored(records: ReturnType<typeof openStore>["records"], version: JsonObject[]) {
  const expected = new Map(version.map((data) => [data.id as string, canonicalJson(data)]));
  const stored = await collect(records.export({}));
  expect(stored.map(({ id }) => id)).toEqual([...expected.keys()].sort());
  for (const { id, data } of stored) expect(canonicalJson(data)).toBe(expected.get(id));
}
