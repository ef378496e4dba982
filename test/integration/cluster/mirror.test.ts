/** All of the mirror on a cluster whose masters share the slots of the fleet, the permits, the providers and the upstreams. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Queue } from "bullmq";
import { canonicalJson } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { buildDashboard } from "../../../src/dashboard/server.ts";
import { providers } from "../../../src/providers/registry.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { upstreamNames } from "../../../src/simulator/types.ts";
import { startCluster, type TestCluster } from "../../support/redisCluster.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";
import { serve } from "../dashboard/support.ts";

const prefix = "c2";
const keys = makeKeys(prefix);
let cluster: TestCluster;
let simulator: Simulator;
let uee: TestEngine;
beforeAll(async () => {
  cluster = await startCluster();
  simulator = await startSimulator({ cves: 2_500, recordBytes: 500, extremes: false });
  uee = await openTestEngine(cluster.url, {
    prefix,
    providers: Object.fromEntries(
      upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: { max: 100, windowMs: 1_000 } }]),
    ),
    // A bad record of a small catalogue is a large share of it.
    errorRate: 1,
  });
});
afterAll(async () => {
  await uee?.close();
  await simulator?.close();
  await cluster?.stop();
});

const wrong = async (name: (typeof upstreamNames)[number]): Promise<string[]> => {
  const store = await exported(uee.engine, name);
  const found = [...simulator.content(name)].flatMap(({ id, data }) => {
    const same =
      name === "cwe" || name === "capec"
        ? store.has(id)
        : canonicalJson(store.get(id)) === canonicalJson(data);
    store.delete(id);
    return same ? [] : [id];
  });
  return [...found, ...store.keys()];
};

describe("a mirror on a cluster", () => {
  test("lies on every master, and is empty until it is used", async () => {
    const pool = uee.redis.of(keys.permits.pool);
    await pool.ping();
    expect(await pool.exists(keys.permits.pool)).toBe(0);
    const all = [keys.fleet, keys.permits.pool, ...providers.map(({ name }) => keys.provider(name).tag)];
    const ports = await Promise.all(all.map(async (key) => (await cluster.masterOf(key)).port));
    expect(new Set(ports).size).toBe(3);
    // The fleet's keys and those of some provider and its upstream lie on different masters.
    const [fleet, , ...own] = ports;
    expect(own.some((port) => port !== fleet)).toBe(true);
  });

  test("loads every provider, and increments it", async () => {
    for (const name of upstreamNames) {
      expect({ name, ...(await uee.run(name, "full")) }).toMatchObject({
        name,
        state: "complete",
        error: null,
      });
      expect({ name, wrong: await wrong(name) }).toEqual({ name, wrong: [] });
    }
    simulator.mutate({ provider: "cve", add: 3, modify: 40 });
    expect(await uee.run("cve")).toMatchObject({ state: "complete", created: 3, updated: 40 });
    expect(await wrong("cve")).toEqual([]);
    const { providers: states, redis } = await uee.engine.status();
    expect(states.map(({ verified }) => verified)).toEqual(upstreamNames.map(() => true));
    expect(redis).toMatchObject({ persistence: "aof", trouble: null });
  });

  test("sets bad records aside, replays them, and settles them by a verified run", async () => {
    const { engine } = uee;
    const letters = async () => (await engine.deadLetters.list({}, { limit: 1_000 })).letters;
    simulator.setFaults(["bad-record@0.02:attack"]);
    expect(await uee.run("attack", "full")).toMatchObject({ state: "incomplete" });
    simulator.clearFaults();
    const worker = await engine.startWorker();
    await until(async () => (await engine.deadLetters.stats({})).waiting === 0);
    const found = await letters();
    expect(found.length).toBeGreaterThan(0);
    expect((await engine.deadLetters.replay({ provider: "attack" }, { actor: "ann" })).done).toBe(
      found.length,
    );
    // Their bytes are what they were.
    await until(async () =>
      (await letters()).every(({ state, replays }) => state === "dead" && replays === 1),
    );
    await worker.stop();
    expect(await uee.run("attack", "full")).toMatchObject({ state: "complete" });
    expect(await wrong("attack")).toEqual([]);
    expect(await letters()).toEqual([]);
  });

  test("pauses and resumes, keeps schedules, and takes runs of scripts", async () => {
    const { engine } = uee;
    await engine.pause("kev", { actor: "ann", reason: "tonight" });
    await expect(engine.openRun({ provider: "kev", mode: "full" })).rejects.toMatchObject({
      code: "PROV_PAUSED",
    });
    await engine.resume("kev", { actor: "ann" });
    const worker = await engine.startWorker({ schedules: true });
    const schedules = await engine.schedules();
    expect(schedules.filter(({ enabled }) => enabled).every(({ next }) => next !== null)).toBe(true);
    const queue = new Queue("runs", { prefix: `{${prefix}}`, connection: uee.redis.of(keys.fleet) });
    const job = await queue.add("run", { provider: "kev", mode: "full" });
    await until(async () => (await job.getState()) === "completed");
    const { runId } = (await queue.getJob(job.id!))!.returnvalue as { runId: string };
    expect(await engine.waitForRun("kev", runId, { pollMs: 20 })).toMatchObject({ state: "complete" });
    await until(async () => (await engine.etlTree()).macro_fsm.state !== "BOOTSTRAPPING");
    expect((await engine.workers()).map(({ health }) => health)).toEqual(["live"]);
    expect(await engine.permits.audit()).toMatchObject({ drift: 0 });
    await worker.stop();
    await queue.close();
  });

  test("tells its changes by cursor, and the history of everything", async () => {
    const { engine } = uee;
    const end = await engine.records.changesEnd();
    simulator.mutate({ provider: "cve", modify: 7 });
    await uee.run("cve");
    const since = [];
    for await (const change of engine.records.changes({ since: end })) since.push(change);
    expect(since.map(({ op, provider }) => `${op} ${provider}`)).toEqual(Array(7).fill("updated cve"));
    const all = new Set<string>();
    for await (const { provider } of engine.records.changes({})) all.add(provider);
    expect([...all].sort()).toEqual([...upstreamNames].sort());
    const lines = await engine.history({ limit: 1_000 });
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(["transition", "dead-letters"]));
    const [totals] = await engine.totals();
    expect(totals).toMatchObject({ provider: "cve", records: { created: 2_503 } });
  });

  test("tells a breaker's transitions, whichever master it lies on", async () => {
    const told: string[] = [];
    const stop = await uee.engine.onBreakerStateChange(({ upstream, newState }) => {
      told.push(`${upstream} ${newState}`);
    });
    simulator.setFaults(["status-503:cwe", "status-503:kev"]);
    const worker = await uee.engine.startWorker();
    for (const provider of ["cwe", "kev"]) await uee.engine.openRun({ provider, mode: "full" });
    await until(() => told.includes("cwe open") && told.includes("kev open"));
    simulator.clearFaults();
    for (const provider of ["cwe", "kev"]) await uee.engine.resetBreaker(provider, { actor: "ann" });
    await until(() => told.includes("cwe closed") && told.includes("kev closed"));
    for (const provider of ["cwe", "kev"]) await uee.engine.stop(provider, { actor: "ann" });
    stop();
    await worker.stop();
  });

  test("serves the dashboard's API, its metrics and Bull Board", async () => {
    const app = await buildDashboard({
      backend: () => ({ engine: uee.engine, redis: uee.redis, keys }),
      logger: silentLogger(),
      version: "0.0.0-test",
    });
    try {
      const { get } = await serve(app, {});
      for (const path of [
        "etl-tree",
        "kernel-metrics",
        "runs",
        "permits",
        "breakers",
        "workers",
        "transitions",
      ]) {
        expect({ path, status: (await get(`/api/${path}`)).status }).toEqual({ path, status: 200 });
      }
      const id = [...simulator.content("cve")][0]!.id;
      expect((await get(`/api/records/v2e::nvd::cve::${id}`)).json).toMatchObject({ id });
      expect((await get("/metrics")).text).toContain("uee_redis_up 1");
      const { queues } = (await get("/queues/api/queues")).json as { queues: { name: string }[] };
      expect(queues.map(({ name }) => name).sort()).toEqual([...upstreamNames, "runs", "webhook"].sort());
    } finally {
      await app.close();
    }
  });
});
