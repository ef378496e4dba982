/** A full run with year feeds that is killed by SIGKILL inside a feed, and given again: what is committed is never read again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";

const child = fileURLToPath(new URL("../support/killableRun.mjs", import.meta.url));
/** Batches of a process at once: read again after a kill are at most these. */
const IN_FLIGHT = 2;
const CVES = 900;

let redis: TestRedis;
let simulator: Simulator;
let prefix = 0;

beforeAll(async () => {
  redis = await startRedis({});
  simulator = await startSimulator({ cves: CVES, recordBytes: 600 });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});

test.each([
  { step: "fetch", phase: "before", nth: 3, mode: "full" },
  { step: "fetch", phase: "after", nth: 9, mode: "full" },
  { step: "commit", phase: "after", nth: 7, mode: "full" },
  { step: "checkpoint", phase: "before", nth: 20, mode: "full" },
  { step: "checkpoint", phase: "after", nth: 20, mode: "full" },
  { step: "commit", phase: "after", nth: 12, mode: "reconcile" },
  { step: "remove", phase: "after", nth: 1, mode: "reconcile" },
] as const)("killed $phase the $nth. $step of a $mode run", async ({ step, phase, nth, mode }) => {
  const settings = testSettings({
    prefix: `k${prefix++}`,
    providers: { cve: { url: simulator.urls.cve, feedsUrl: simulator.urls.feeds, rate: "unlimited" } },
  });
  const plan = { url: redis.url, provider: "cve", mode, settings, step, phase, nth };
  const running = spawn(process.execPath, [child, JSON.stringify(plan)], { stdio: "inherit" });
  const before = simulator.counts().requests.feeds;
  const [, signal] = (await once(running, "close")) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");

  const keys = makeKeys(settings.prefix).provider("cve");
  const client = redis.client();
  const runId = (await client.get(keys.openRun))!;
  const statuses = Object.entries(await client.hgetall(keys.run(runId).status));
  const committed = new Set(statuses.filter(([, code]) => code.startsWith("c")).map(([key]) => key));
  const readAgain: string[] = [];
  const uee = await openTestEngine(redis.url, settings, {
    onStep: (name, when, batch) => {
      if (name === "fetch" && when === "before" && committed.has(batch)) readAgain.push(batch);
    },
  });
  try {
    const run = await uee.run("cve", mode);
    expect(run).toMatchObject({ runId, state: "complete", created: CVES, deadLettered: 0, error: null });
    expect(readAgain).toEqual([]);
    const feeds = new Date().getUTCFullYear() - 2001;
    // A .meta and a file each, and those that were being read.
    expect(simulator.counts().requests.feeds - before).toBeLessThanOrEqual(2 * (feeds + IN_FLIGHT));
    if (mode === "reconcile") expect(run.reconciled).toMatchObject({ missing: CVES, checked: CVES });
    const store = await exported(uee.engine, "cve");
    for (const { id, data } of simulator.content("cve")) {
      expect(canonicalJson(store.get(id))).toBe(canonicalJson(data));
    }
    expect(store.size).toBe(CVES);
  } finally {
    await uee.close();
  }
});
