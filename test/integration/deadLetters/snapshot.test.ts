/** Slices of snapshots: kept while a dead letter refers to them, replayed from there, and never against newer data. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import type { DeadLetter, RunProgress } from "../../../src/engine/api.ts";
import { kev } from "../../../src/providers/kev/kev.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";

interface Entry {
  cveID: string;
  vendorProject: string;
}

let redis: TestRedis;
let server: Server;
let uee: TestEngine;
let entries: Entry[];
/** Slices, by number, that cannot be read at present. */
const broken = new Set<number>();

const flawed = {
  ...kev,
  extract: (...[payload, context]: Parameters<typeof kev.extract>) => {
    const number = payload.kind === "slice" ? Number(payload.name.slice(0, 4)) : 0;
    if (broken.has(number)) throw new UeeError("STOR_CORRUPT", `slice ${number} cannot be read`);
    return kev.extract(payload, context);
  },
};

beforeAll(async () => {
  redis = await startRedis({});
  server = createServer((_request, response) => {
    const { length: count } = entries;
    const body = { count, dateReleased: "2026-01-01T00:00:00Z", vulnerabilities: entries };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});
beforeEach(async () => {
  await redis.client().flushall();
  entries = Array.from({ length: 1000 }, (_, i) => ({
    cveID: `CVE-2024-${1000 + i}`,
    vendorProject: `v${i}`,
  }));
  const { port } = server.address() as AddressInfo;
  uee = await openTestEngine(
    redis.url,
    { errorRate: 1, providers: { kev: { url: `http://127.0.0.1:${port}/`, rate: "unlimited" } } },
    { providers: [flawed] },
  );
  broken.clear();
  broken.add(2);
});
afterEach(() => uee.close());

const content = () => new Map(entries.map((entry) => [entry.cveID, entry]));
const staged = async () => (await redis.client().keys("*:staged:*")).length;
const all = async (): Promise<DeadLetter[]> =>
  (await uee.engine.deadLetters.list({}, { limit: 100 })).letters;

async function see(runId: string): Promise<RunProgress> {
  const worker = await uee.engine.startWorker();
  try {
    return await uee.engine.waitForRun("kev", runId, { pollMs: 20 });
  } finally {
    await worker.stop();
  }
}

test("a dead slice is replayed from what was staged, and only then are the slices cleaned", async () => {
  expect(await uee.run("kev")).toMatchObject({ state: "incomplete", created: 600, requests: 1 });
  expect(await staged()).toBeGreaterThan(0);
  expect(await all()).toMatchObject([{ kind: "batch", class: "permanent", code: "STOR_CORRUPT", size: 400 }]);
  broken.clear();
  const { runs } = await uee.engine.deadLetters.replay({});
  expect(await see(runs[0]!.runId)).toMatchObject({ state: "complete", created: 400, requests: 0 });
  expect(await exported(uee.engine, "kev")).toEqual(content());
  expect(await all()).toEqual([]);
  expect(await staged()).toBe(0);
  // Nothing was verified: the next run looks for itself.
  expect(await uee.run("kev")).toMatchObject({ state: "complete", unchanged: 1000, requests: 1 });
});

test("purging the last letter that refers to them cleans the slices too", async () => {
  await uee.run("kev");
  expect(await staged()).toBeGreaterThan(0);
  const report = await uee.engine.deadLetters.purge({}, { actor: "ann", reason: "not worth it" });
  expect(report).toMatchObject({ done: 1, lost: { batches: 1, batchRecords: 400, records: 0, rawBytes: 0 } });
  expect(await staged()).toBe(0);
  const { providers } = await uee.engine.status();
  expect(providers[0]!.jobs.failed).toBe(0);
});

test("what was staged is not written once a later run has received newer data", async () => {
  await uee.run("kev");
  // The upstream goes on: a record of the dead slice is edited, one is retracted.
  entries[450] = { ...entries[450]!, vendorProject: "edited" };
  entries.splice(500, 1);
  // The second run gives up in another slice: it has received most of it, and is not verified either.
  broken.clear();
  broken.add(3);
  expect(await uee.run("kev")).toMatchObject({ state: "incomplete" });
  const before = await exported(uee.engine, "kev");
  broken.clear();
  const [older] = (await all()).filter(({ subject }) => subject === "slice/0002");
  const { runs } = await uee.engine.deadLetters.replay({ ids: [older!.id] });
  expect(await see(runs[0]!.runId)).toMatchObject({ state: "incomplete", created: 0, updated: 0 });
  expect(await exported(uee.engine, "kev")).toEqual(before);
  const dead = (await all()).find(({ id }) => id === older!.id);
  expect(dead).toMatchObject({ state: "dead", code: "STOR_OUTDATED", class: "permanent", replays: 1 });
  // The newest one's slices may be written.
  const newer = await uee.engine.deadLetters.replay({ code: "STOR_CORRUPT" });
  expect(await see(newer.runs[0]!.runId)).toMatchObject({ state: "complete" });
  expect(await exported(uee.engine, "kev")).toEqual(content());
});

test("a verified run settles the dead letter whose slice it has covered, and its staged slices go", async () => {
  await uee.run("kev");
  const retracted = entries[450]!.cveID;
  entries.splice(450, 1);
  broken.clear();
  expect(await uee.run("kev")).toMatchObject({ state: "complete" });
  expect(await all()).toEqual([]);
  expect(await exported(uee.engine, "kev")).toEqual(content());
  expect((await exported(uee.engine, "kev")).has(retracted)).toBe(false);
  expect(await staged()).toBe(0);
});

test("a dead download is fetched again whole, under keys of its own beside another one's", async () => {
  broken.clear();
  const extract = flawed.extract;
  flawed.extract = () => {
    throw new UeeError("STOR_CORRUPT", "nothing works");
  };
  try {
    expect(await uee.run("kev")).toMatchObject({ state: "failed" });
    expect(await uee.run("kev")).toMatchObject({ state: "failed" });
  } finally {
    flawed.extract = extract;
  }
  expect(await all()).toHaveLength(2);
  const { runs } = await uee.engine.deadLetters.replay({});
  expect(runs).toMatchObject([{ letters: 2 }]);
  expect(await see(runs[0]!.runId)).toMatchObject({ state: "complete", created: 1000, requests: 2 });
  expect(await exported(uee.engine, "kev")).toEqual(content());
  expect((await uee.engine.status()).providers[0]).toMatchObject({ verified: false });
  expect(await staged()).toBe(0);
});
