import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;
const COUNT = 60;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: COUNT });
  for (let i = 0; i < COUNT; i++) {
    if (i % 3 === 0) mirror.listing.records[i] = { ...mirror.listing.records[i]!, id: `nameless ${i}` };
    else mirror.spoil(i);
  }
  await mirror.uee.run("cve");
});
afterEach(() => mirror.close());

/** Every letter fails at a time of its own, or many at one. */
async function failAt(ms: (i: number) => number): Promise<void> {
  const client = redis.client();
  for (const [i, { id, code }] of (await mirror.all()).entries()) {
    for (const index of ["", `:code:${code}`, ":class:bad-record", ":state:dead"])
      await client.zadd(`{uee:cve}:letters${index}`, ms(i), id);
    await client.hset(`{uee:cve}:letters:one:${id}`, "lastMs", ms(i));
  }
}

async function walk(filter: Parameters<Mirror["letters"]["list"]>[0], limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await mirror.letters.list(filter, { limit, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.letters.length).toBeLessThanOrEqual(limit);
    found.push(...page.letters.map(({ id }) => id));
    if (page.cursor === null) return found;
    cursor = page.cursor;
  }
}

test.each([
  ["at times of their own", (i: number) => 1_700_000_000_000 + i * 1000],
  ["all at one time", () => 1_700_000_000_000],
  ["a few at each time", (i: number) => 1_700_000_000_000 + Math.floor(i / 7) * 1000],
])("pages come without a gap or a repeat when letters failed %s", async (_name, ms) => {
  await failAt(ms);
  const all = (await mirror.letters.list({}, { limit: 1000 })).letters;
  expect(all).toHaveLength(COUNT);
  expect(
    [...all].sort((a, b) =>
      a.lastFailedAt < b.lastFailedAt ? 1 : a.lastFailedAt > b.lastFailedAt ? -1 : a.id < b.id ? 1 : -1,
    ),
  ).toEqual(all);
  for (const limit of [1, 7, 59, 60, 61]) expect(await walk({}, limit)).toEqual(all.map(({ id }) => id));
  const byCode = all.filter(({ code }) => code === "VAL_RECORD_ID").map(({ id }) => id);
  expect(byCode).toHaveLength(20);
  expect(await walk({ code: "VAL_RECORD_ID" }, 6)).toEqual(byCode);
});

test("pages go on where they were when letters go meanwhile", async () => {
  await failAt(() => 1_700_000_000_000);
  const all = (await mirror.letters.list({}, { limit: 1000 })).letters.map(({ id }) => id);
  const first = await mirror.letters.list({}, { limit: 20 });
  await mirror.letters.purge({ ids: [...all.slice(3, 9), all[19]!, ...all.slice(30, 32)] });
  const rest = await mirror.letters.list({}, { limit: 1000, cursor: first.cursor! });
  expect(rest.letters.map(({ id }) => id)).toEqual([...all.slice(20, 30), ...all.slice(32)]);
});

test("filters hold together: code, class, state and age", async () => {
  const now = Date.now();
  await failAt((i) => now - i * 60_000);
  const ids = (await mirror.letters.list({ code: "VAL_RECORD_ID" }, { limit: 5 })).letters.map(
    ({ id }) => id,
  );
  await mirror.letters.accept({ ids });
  const count = async (filter: Parameters<Mirror["letters"]["list"]>[0]) =>
    (await mirror.letters.list(filter, { limit: 1000 })).letters.length;
  expect(await count({ code: "VAL_RECORD_ID", state: "dead" })).toBe(15);
  expect(await count({ code: "VAL_RECORD_ID", state: "accepted", class: "bad-record" })).toBe(5);
  expect(await count({ class: "exhausted" })).toBe(0);
  expect(await count({ code: "NO_SUCH_CODE" })).toBe(0);
  const young = await count({ newerThanMs: 30 * 60_000 + 30_000 });
  const old = await count({ olderThanMs: 30 * 60_000 + 30_000 });
  expect([young, old]).toEqual([31, 29]);
  expect(await count({ newerThanMs: 20 * 60_000 + 30_000, olderThanMs: 10 * 60_000 + 30_000 })).toBe(10);
  expect(await count({ provider: "cve" })).toBe(COUNT);
  await expect(mirror.letters.list({ provider: "cves" }, { limit: 1 })).rejects.toMatchObject({
    code: "PROV_UNKNOWN",
  });
  await expect(mirror.letters.list({}, { limit: 1, cursor: "?" })).rejects.toMatchObject({
    code: "API_BAD_INPUT",
  });
});

test("stats count what is there, through every change", async () => {
  expect(await mirror.letters.stats()).toMatchObject({
    ...{ total: COUNT, byState: { dead: COUNT, replaying: 0, accepted: 0 }, byProvider: { cve: COUNT } },
    ...{ byCode: { VAL_RECORD_FIELD: 40, VAL_RECORD_ID: 20 }, byClass: { "bad-record": COUNT } },
    ...{ maxReplays: 0, meanReplays: 0 },
  });
  const { runs } = await mirror.letters.replay({ code: "VAL_RECORD_ID" }, { limit: 15 });
  expect(await mirror.letters.stats()).toMatchObject({
    byState: { dead: 45, replaying: 15 },
    maxReplays: 1,
    meanReplays: 0.25,
  });
  await mirror.see(runs[0]!.runId);
  await mirror.letters.accept({}, { limit: 10 });
  await mirror.letters.purge({ state: "accepted" });
  await mirror.letters.purge({}, { limit: 1 });
  const stats = await mirror.letters.stats();
  expect(stats).toMatchObject({ total: 49, byState: { dead: 49, replaying: 0, accepted: 0 } });
  // What is counted is what a walk over all of them would count.
  const all = await mirror.all();
  expect(all).toHaveLength(49);
  expect(stats.rawBytes).toBe(all.reduce((sum, { rawBytes }) => sum + rawBytes, 0));
  expect(stats.meanReplays).toBeCloseTo(all.reduce((sum, { replays }) => sum + replays, 0) / 49);
  expect(stats.oldest).toBe(all.map(({ firstFailedAt }) => firstFailedAt).sort()[0]);
  expect(stats.newest).toBe(
    all
      .map(({ lastFailedAt }) => lastFailedAt)
      .sort()
      .at(-1),
  );
  await mirror.letters.purge({});
  expect(await mirror.letters.stats()).toMatchObject({
    total: 0,
    byCode: {},
    byClass: {},
    rawBytes: 0,
    oldest: null,
  });
  expect(await redis.client().keys("*letters*")).toEqual(["{uee:cve}:letters:actions"]);
});

test("--dry-run, --limit and --rate bound what a replay does", async () => {
  const dry = await mirror.letters.replay({ code: "VAL_RECORD_ID" }, { dryRun: true, limit: 7 });
  expect(dry).toMatchObject({ dryRun: true, matched: 7, done: 7, runs: [] });
  expect(await mirror.letters.stats()).toMatchObject({ byState: { dead: COUNT } });
  const started = performance.now();
  const progress: number[] = [];
  const report = await mirror.letters.replay(
    { code: "VAL_RECORD_FIELD" },
    { limit: 12, rate: { max: 4, windowMs: 200 }, onProgress: (done) => progress.push(done) },
  );
  expect(report.done).toBe(12);
  expect(progress).toEqual([4, 8, 12]);
  expect(performance.now() - started).toBeGreaterThanOrEqual(590);
  const stop = new AbortController();
  const stopped = await mirror.letters.replay(
    {},
    { rate: { max: 5, windowMs: 60_000 }, signal: stop.signal, onProgress: () => stop.abort() },
  );
  expect(stopped.done).toBe(5);
});
