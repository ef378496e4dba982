/** One number of dead letters, wherever it is shown: the run, `status`, the ETL tree, `dlq stats`, its caps. */
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(() => mirror.close());

/** Every place that says how many records of the only run failed for good. */
async function shown(runId: string): Promise<Record<string, number>> {
  const { engine } = mirror.uee;
  const [status, tree, stats, all, own, [run]] = await Promise.all([
    engine.status(),
    engine.etlTree(),
    engine.deadLetters.stats(),
    engine.deadLetters.count(),
    engine.deadLetters.count("cve"),
    engine.runs({ provider: "cve", limit: 1 }),
  ]);
  const provider = status.providers[0]!;
  expect(run!.runId).toBe(runId);
  return {
    run: run!.deadLettered,
    shownRun: (provider.openRun ?? provider.lastRun)!.deadLettered,
    tree: tree.providers[0]!.error_count,
    status: provider.deadLetters.entries,
    total: stats.total,
    byProvider: stats.byProvider.cve!,
    cap: stats.caps[0]!.entries,
    all,
    own,
  };
}

test("a provider that is paused on errors counts the same in every place, before and after the jobs of its bad records", async () => {
  mirror = await startMirror(redis, { records: 4_100, settings: { errorRate: 0.1 } });
  for (let i = 0; i < 4_100; i++) if (i % 5 === 0) mirror.spoil(i, `bad ${i}`);
  const { engine } = mirror.uee;
  const { runId } = await engine.openRun({ provider: "cve", mode: "full" });
  const worker = await engine.startWorker();
  expect(await engine.waitForRun("cve", runId, { pollMs: 5 })).toMatchObject({ state: "paused" });
  await worker.stop();

  const paused = await shown(runId);
  expect([...new Set(Object.values(paused))]).toEqual([paused.run]);
  const { waiting } = await engine.deadLetters.stats();
  // Otherwise this test proves nothing.
  expect(waiting).toBeGreaterThan(0);
  expect((await mirror.all()).length + waiting).toBe(paused.run);

  await engine.resume("cve", { actor: "test" });
  const again = await engine.startWorker();
  await engine.waitForRun("cve", runId, { pollMs: 20 });
  await until(async () => {
    await engine.resume("cve", { actor: "test" }).catch(() => undefined);
    return (await engine.runs({ provider: "cve", limit: 1 }))[0]!.endedAt !== null;
  });
  await again.stop();
  const ended = await shown(runId);
  expect(ended.run).toBe(820);
  expect([...new Set(Object.values(ended))]).toEqual([820]);
  expect((await engine.deadLetters.stats()).waiting).toBe(0);
  expect(await mirror.all()).toHaveLength(820);
});

test("a run that is stopped while the jobs of its bad records wait leaves only what is in the list", async () => {
  mirror = await startMirror(redis, { records: 2_000, settings: { errorRate: 0.1 } });
  for (let i = 0; i < 2_000; i++) if (i % 2 === 0) mirror.spoil(i, `bad ${i}`);
  const { engine } = mirror.uee;
  const { runId } = await engine.openRun({ provider: "cve", mode: "full" });
  const worker = await engine.startWorker();
  expect(await engine.waitForRun("cve", runId, { pollMs: 5 })).toMatchObject({ state: "paused" });
  await worker.stop();
  expect((await engine.deadLetters.stats()).waiting).toBeGreaterThan(0);
  await engine.stop("cve", { actor: "test" });
  const stats = await engine.deadLetters.stats();
  expect([stats.waiting, stats.total]).toEqual([0, (await mirror.all()).length]);
});

test("bad records of a run that a wrong setting failed become dead letters in the next run", async () => {
  mirror = await startMirror(redis, { records: 4_100 });
  const { engine } = mirror.uee;
  for (let i = 2_000; i < 2_600; i++) mirror.spoil(i, `bad ${i}`);
  mirror.listing.intercept = async (url, response) => {
    if (Number(url.searchParams.get("startIndex")) !== 4_000) return false;
    await until(async () => (await engine.deadLetters.stats()).waiting > 0);
    response.writeHead(404, { message: "Invalid apiKey." }).end();
    return true;
  };
  expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "failed" });
  // Some of their jobs had not run, and never will.
  expect((await mirror.all()).length).toBeLessThan(600);
  mirror.listing.intercept = () => false;
  expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete", deadLettered: 600 });
  expect((await mirror.letters.stats()).byClass).toMatchObject({ "bad-record": 600 });
});
