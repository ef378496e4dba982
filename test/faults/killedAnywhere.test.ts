/**
 * Law 1 (nothing lost), law 3 (the checkpoint never passes an uncommitted record) and law 5 (every batch is accounted
 * for): a run that is killed before or after any of its steps, or at any moment, and given again, ends with the same store,
 * and refetches only what was in flight. UEE_KILL_POINTS=20 kills at so many random moments (default 4).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import type { RunProgress } from "../../src/engine/api.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import type { StepName } from "../../src/workers/context.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, testSettings } from "../support/testEngine.ts";

const child = fileURLToPath(new URL("../support/killableRun.mjs", import.meta.url));
/** Batches of a process at once: fetched again after a kill are at most these. */
const IN_FLIGHT = 2;
const PAGES = 4;
const RECORDS = 6_100;

let redis: TestRedis;
let listing: ListingServer;
let simulator: Simulator;

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(RECORDS));
  simulator = await startSimulator({ extremes: true, attackObjects: 1_500, cves: 1 });
});
afterAll(async () => {
  await simulator.close();
  await listing.close();
  await redis.stop();
});

const settingsNow = () =>
  testSettings({
    providers: {
      cve: { url: listing.url, rate: "unlimited" },
      attack: { url: simulator.urls.attack, rate: "unlimited" },
    },
  });

interface Kill {
  step: StepName;
  phase: "before" | "after";
  nth: number;
}

/** Runs a provider in its own process, which is killed at a step or so many ms after its start. Its last signal. */
async function runKilled(provider: string, kill: Kill | { afterMs: number }): Promise<string | null> {
  const atStep = "step" in kill ? kill : {};
  const plan = { url: redis.url, provider, mode: "full", settings: settingsNow(), ...atStep };
  const running = spawn(process.execPath, [child, JSON.stringify(plan)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  // A moment is the one thing that only time can choose.
  const timer = "afterMs" in kill ? setTimeout(() => running.kill("SIGKILL"), kill.afterMs) : undefined;
  const [, signal] = (await once(running, "close")) as [number | null, string | null];
  clearTimeout(timer);
  return signal;
}

/** Runs a provider to the end, here. Nothing is left to do then; returns what is stored. */
async function runToTheEnd(provider: string): Promise<{ run: RunProgress; store: Map<string, unknown> }> {
  const uee = await openTestEngine(redis.url, settingsNow());
  try {
    const run = await uee.run(provider, "full");
    const { jobs, openRun } = (await uee.engine.status()).providers.find((p) => p.provider === provider)!;
    expect(jobs).toMatchObject({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    expect(openRun).toBeNull();
    return { run, store: await exported(uee.engine, provider) };
  } finally {
    await uee.close();
  }
}

let edits = 0;

/** The upstream moves on from what the store holds: an edit, a silent edit, three removals, two additions. */
function moveOn(): void {
  const at = new Date().toISOString().slice(0, -1);
  const { records } = listing;
  records[17] = { ...records[17]!, lastModified: at, descriptions: [{ value: `edited ${edits}` }] };
  records[3017] = { ...records[3017]!, descriptions: [{ value: `silently edited ${edits}` }] };
  records.splice(5000, 3);
  records.push(...makeRecords(2, 10_000 + 2 * edits++));
  listing.requests.length = 0;
}

async function killAndRepeat(kill: Kill | { afterMs: number }): Promise<void> {
  moveOn();
  const expected = new Map(listing.records.map((record) => [record.id, record]));
  const signal = await runKilled("cve", kill);
  const { run, store } = await runToTheEnd("cve");
  expect(run).toMatchObject({ state: "complete", fetched: listing.records.length, error: null });
  expect(store).toEqual(expected);
  if ("step" in kill) expect(signal).toBe("SIGKILL");
  // After the close there is nothing to join: the command given again is a run of its own.
  if (run.updated === 0) return;
  expect(run).toMatchObject({ created: 2, updated: 2, removed: 3 });
  expect(listing.requests.length).toBeLessThanOrEqual(PAGES + IN_FLIGHT);
}

describe("a run that is killed and given again ends complete and the same", () => {
  beforeAll(async () => {
    expect((await runToTheEnd("cve")).run).toMatchObject({ state: "complete", created: RECORDS });
    expect((await runToTheEnd("attack")).run).toMatchObject({ state: "complete" });
  });

  const once_ = new Set<StepName>(["verify", "remove", "close"]);
  const steps: StepName[] = ["fetch", "commit", "checkpoint", "settle", "verify", "remove", "close"];
  const places = steps.flatMap((step) =>
    (["before", "after"] as const).map((phase) => ({ step, phase, nth: once_.has(step) ? 1 : 2 })),
  );
  test.each(places)("when killed $phase step $step", (kill) => killAndRepeat(kill));

  const moments = Array.from({ length: Number(process.env.UEE_KILL_POINTS ?? "4") }, (_, i) => i);
  test.each(moments)("when killed at a random moment, %i", async () => {
    await killAndRepeat({ afterMs: 250 + Math.random() * 900 });
  });

  test.each([
    { step: "fetch", phase: "before", nth: 1 },
    { step: "fetch", phase: "after", nth: 1 },
    { step: "checkpoint", phase: "after", nth: 1 },
    { step: "commit", phase: "before", nth: 3 },
    { step: "commit", phase: "after", nth: 3 },
    { step: "remove", phase: "before", nth: 1 },
  ] as const)("when it is a snapshot and killed $phase step $step", async (kill) => {
    simulator.mutate({ provider: "attack", add: 2, modify: 5, remove: 3 });
    expect(await runKilled("attack", kill)).toBe("SIGKILL");
    const { run, store } = await runToTheEnd("attack");
    expect(run).toMatchObject({ state: "complete", created: 2, removed: 3 });
    for (const { id, data } of simulator.content("attack")) {
      expect(canonicalJson(store.get(id))).toBe(canonicalJson(data));
      store.delete(id);
    }
    expect([...store.keys()]).toEqual([]);
  });
});
