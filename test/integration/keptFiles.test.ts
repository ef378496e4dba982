/** A snapshot of several files: a file that has not changed is not read again, and removals, copies and counts stay right. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.ts";
import type { RunMode } from "../../src/providers/contract.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type HttpServer, startHttp } from "../support/httpServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const collections = {
  enterprise: "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019",
  mobile: "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858",
  ics: "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09",
};
type Domain = keyof typeof collections;
const domains = Object.keys(collections) as Domain[];

const idOf = (n: number): string =>
  `attack-pattern--${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`;
const object = (n: number, from: string, day = 1): JsonObject => ({
  type: "attack-pattern",
  id: idOf(n),
  modified: `2025-01-${String(day).padStart(2, "0")}T00:00:00.000Z`,
  from,
});
const range = (from: number, to: number, name: string): JsonObject[] =>
  Array.from({ length: to - from }, (_, i) => object(from + i, name));

let redis: TestRedis;
let upstream: HttpServer;
let uee: TestEngine;
let bundles: Record<Domain, JsonObject[]>;
let versions: Record<Domain, number>;
let etags: boolean;
let asked: string[] = [];

beforeAll(async () => {
  redis = await startRedis({});
  upstream = await startHttp((request, response) => {
    const path = request.url!;
    asked.push(path);
    const domain = domains.find((one) => path.startsWith(`/${one}-`));
    const body = JSON.stringify(
      domain
        ? { type: "bundle", id: "bundle--1", objects: bundles[domain] }
        : {
            collections: domains.map((name) => ({
              id: collections[name],
              versions: [
                {
                  version: `1.${versions[name]}`,
                  modified: "2025-02-01T00:00:00.000Z",
                  url: `${name}-${versions[name]}.json`,
                },
              ],
            })),
          },
    );
    const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
    if (etags && request.headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
    else
      response.writeHead(200, { "content-type": "application/json", ...(etags ? { etag } : {}) }).end(body);
  });
});
afterAll(async () => {
  await upstream.close();
  await redis.stop();
});
beforeEach(async () => {
  await redis.client().flushall();
  etags = false;
  versions = { enterprise: 1, mobile: 1, ics: 1 };
  bundles = {
    // 500 and 501 are in several bundles: the newest copy stands, of equally new ones the first.
    enterprise: [...range(0, 450, "enterprise"), object(500, "enterprise"), object(501, "enterprise")],
    mobile: [...range(600, 640, "mobile"), object(500, "mobile")],
    ics: [...range(700, 730, "ics"), object(500, "ics"), object(501, "ics", 2)],
  };
  uee = await openTestEngine(redis.url, {
    providers: { attack: { url: `${upstream.origin}/index.json`, rate: "unlimited" } },
  });
  expect(await run("full")).toMatchObject({ state: "complete", created: 522, files: 3 });
});
afterEach(() => uee.close());

/** Runs, and compares the store with what the upstream serves by its own rules. */
async function run(mode: RunMode = "incremental") {
  asked = [];
  const progress = await uee.run("attack", mode);
  const standing = new Map<string, JsonObject>();
  for (const one of domains.flatMap((domain) => bundles[domain])) {
    const other = standing.get(String(one.id));
    if (!other || String(one.modified) > String(other.modified)) standing.set(String(one.id), one);
  }
  expect(await exported(uee.engine, "attack")).toEqual(standing);
  expect(progress.fetched).toBe(asked.length > 1 ? standing.size : 0);
  return { ...progress, files: asked.filter((path) => path !== "/index.json").length };
}

function publish(domain: Domain, change: (objects: JsonObject[]) => JsonObject[]): void {
  versions[domain]++;
  bundles[domain] = change(bundles[domain]);
}

test("only the file that changed is read: what it adds, edits and removes is done, all others count as unchanged", async () => {
  publish("ics", (objects) => [
    ...objects.slice(1, 30),
    object(700, "ics edited", 3),
    object(740, "ics"),
    ...objects.slice(30),
  ]);
  publish("ics", (objects) => objects.filter(({ id }) => id !== idOf(701)));
  expect(await run()).toMatchObject({
    ...{ state: "complete", files: 1, requests: 2 },
    ...{ created: 1, updated: 1, removed: 1, unchanged: 520, deadLettered: 0 },
  });
  expect(await run()).toMatchObject({ state: "complete", files: 0, requests: 1 });
  // Each run keeps what the next one needs.
  publish("mobile", (objects) => objects.slice(1));
  expect(await run()).toMatchObject({ state: "complete", files: 1, removed: 1, unchanged: 521 });
  publish("enterprise", (objects) => objects.map((one) => ({ ...one, note: "new" })));
  expect(await run()).toMatchObject({ state: "complete", files: 1, removed: 0, updated: 451 });
  expect(await run("full")).toMatchObject({ state: "complete", files: 3, unchanged: 521 });
});

test("a file under a new name that answers 304 is not read either", async () => {
  etags = true;
  expect(await run("full")).toMatchObject({ files: 3 });
  versions.enterprise++;
  publish("ics", (objects) => [...objects, object(750, "ics")]);
  expect(await run()).toMatchObject({ state: "complete", files: 2, created: 1, unchanged: 522 });
});

test.each<[string, () => void, number]>([
  [
    "in a file that is not read takes its place",
    () => publish("ics", (all) => all.filter(({ id }) => id !== idOf(501))),
    4,
  ],
  ["stood and is older now", () => publish("ics", (all) => [...all.slice(0, -1), object(501, "ics", 1)]), 4],
  [
    "is newer now than that of a file that is not read",
    () => publish("mobile", (all) => [...all, object(501, "mobile", 9)]),
    1,
  ],
])("of a record in several files the copy that %s", async (_what, change, files) => {
  change();
  expect(await run()).toMatchObject({ state: "complete", updated: 1, removed: 0, files });
  publish("ics", (objects) => [...objects, object(760, "ics")]);
  expect(await run()).toMatchObject({ state: "complete", created: 1, files: 1 });
});

test("every file is read where the store lacks a record, or the lists of what files held are gone", async () => {
  const keys = makeKeys("uee").provider("attack");
  const client = redis.client();
  await client.hdel(keys.indexBucket(idOf(3)), idOf(3));
  publish("ics", (objects) => [...objects, object(770, "ics")]);
  expect(await run()).toMatchObject({ state: "complete", created: 2, files: 2 });
  await client.del(keys.fileLists);
  publish("ics", (objects) => [...objects, object(771, "ics")]);
  expect(await run()).toMatchObject({ state: "complete", created: 1, files: 3 });
  expect(await client.hlen(keys.fileLists)).toBe(3);
});

test("a file with a bad record that an operator has accepted is read again", async () => {
  publish("mobile", (objects) => [...objects, { ...object(650, "mobile"), labels: "no list" }]);
  expect(await uee.run("attack")).toMatchObject({ state: "incomplete", deadLettered: 1 });
  const [letter] = (await uee.engine.deadLetters.list({}, { limit: 1 })).letters;
  await uee.engine.deadLetters.accept({ ids: [letter!.id] }, { actor: "ann" });
  expect(await uee.run("attack")).toMatchObject({ state: "complete" });
  asked = [];
  publish("ics", (objects) => [...objects, object(780, "ics")]);
  expect(await uee.run("attack")).toMatchObject({ state: "complete", created: 1, requests: 4 });
});
