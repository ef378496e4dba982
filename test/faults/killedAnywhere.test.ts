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

let redis: TestRedis;
let listing: ListingServer;
let simulator: Simulator;

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(7500));
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

interface Ended {
  signal: string | null;
  run: RunProgress | null;
  durationMs: number;
}

/** Runs a provider in a process of its own, which is killed at a step, or so many ms after its start, or not at all. */
async function runIn(provider: string, kill: Kill | { afterMs: number } | null): Promise<Ended> {
  const atStep = kill !== null && "step" in kill ? kill : {};
  const plan = { url: redis.url, provider, mode: "full", settings: settingsNow(), ...atStep };
  const started = performance.now();
  const running = spawn(process.execPath, [child, JSON.stringify(plan)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  running.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  // A moment is the one thing that only time can choose.
  const timer =
    kill !== null && "afterMs" in kill ? setTimeout(() => running.kill("SIGKILL"), kill.afterMs) : undefined;
  const [, signal] = (await once(running, "close")) as [number | null, string | null];
  clearTimeout(timer);
  return {
    signal,
    run: out ? (JSON.parse(out) as RunProgress) : null,
    durationMs: performance.now() - started,
  };
}

async function settled(provider: string): Promise<Map<string, unknown>> {
  const uee = await openTestEngine(redis.url, settingsNow());
  try {
    const { jobs, openRun } = (await uee.engine.status()).providers.find((p) => p.provider === provider)!;
    expect(jobs).toMatchObject({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    expect(openRun).toBeNull();
    return await exported(uee.engine, provider);
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
  const killed = await runIn("cve", kill);
  const { run } = await runIn("cve", null);
  expect(run).toMatchObject({ state: "complete", fetched: listing.records.length, error: null });
  expect(await settled("cve")).toEqual(expected);
  if ("step" in kill) expect(killed.signal).toBe("SIGKILL");
  // After the close there is nothing to join: the command given again is a run of its own.
  if (run!.updated === 0) return;
  expect(run).toMatchObject({ created: 2, updated: 2, removed: 3 });
  expect(listing.requests.length).toBeLessThanOrEqual(PAGES + IN_FLIGHT);
}

describe("a run that is killed and given again ends complete and the same", () => {
  beforeAll(async () => {
    expect((await runIn("cve", null)).run).toMatchObject({ state: "complete", created: 7500 });
    expect((await runIn("attack", null)).run).toMatchObject({ state: "complete" });
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
    const killed = await runIn("attack", kill);
    expect(killed.signal).toBe("SIGKILL");
    const { run } = await runIn("attack", null);
    expect(run).toMatchObject({ state: "complete", created: 2, removed: 3 });
    const store = await settled("attack");
    for (const { id, data } of simulator.content("attack")) {
      expect(canonicalJson(store.get(id))).toBe(canonicalJson(data));
      store.delete(id);
    }
    expect([...store.keys()]).toEqual([]);
  });
});
