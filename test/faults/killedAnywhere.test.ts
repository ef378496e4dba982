/**
 * Law 1 (nothing lost), law 3 (the checkpoint never passes an uncommitted record) and law 5 (every batch is accounted
 * for): a run that is killed before or after any of its steps, and given again, ends with the same store, and refetches
 * only what was in flight.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { RunProgress } from "../../src/engineApi.ts";
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
let count = 0;

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(7500));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});

interface Kill {
  step: StepName;
  phase: "before" | "after";
  nth: number;
}

async function runIn(
  prefix: string,
  kill: Kill | null,
): Promise<{ signal: string | null; run: RunProgress | null }> {
  const plan = {
    url: redis.url,
    prefix,
    provider: "cve",
    mode: "full",
    settings: testSettings({ prefix, providers: { cve: { url: listing.url, rate: "unlimited" } } }),
    ...kill,
  };
  const process_ = spawn(process.execPath, [child, JSON.stringify(plan)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  process_.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  const [, signal] = (await once(process_, "close")) as [number | null, string | null];
  return { signal, run: out ? (JSON.parse(out) as RunProgress) : null };
}

/** A verified store, then changes upstream: edits, one silent, additions and removals. */
async function prepare(prefix: string): Promise<void> {
  listing.records = makeRecords(7500);
  await runIn(prefix, null);
  const now = new Date().toISOString().slice(0, -1);
  listing.records[17] = { ...listing.records[17]!, lastModified: now, descriptions: [{ value: "edited" }] };
  listing.records[3017] = { ...listing.records[3017]!, descriptions: [{ value: "silently edited" }] };
  listing.records.splice(5000, 3);
  listing.records.push(...makeRecords(2, 9000));
  listing.requests.length = 0;
}

async function killAndRepeat(kill: Kill): Promise<void> {
  const prefix = `k${count++}`;
  await prepare(prefix);
  const killed = await runIn(prefix, kill);
  expect(killed.signal).toBe("SIGKILL");
  const { run } = await runIn(prefix, null);
  expect(run).toMatchObject({ state: "complete", fetched: 7499, error: null });
  const uee = await openTestEngine(redis.url, { prefix });
  try {
    expect(await exported(uee.engine, "cve")).toEqual(new Map(listing.records.map((r) => [r.id, r])));
    const { jobs, openRun } = (await uee.engine.status()).providers.find((p) => p.provider === "cve")!;
    expect(jobs).toMatchObject({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    expect(openRun).toBeNull();
  } finally {
    await uee.close();
  }
  // A kill after the close leaves nothing to join: the command given again is a run of its own.
  const joined = kill.step !== "close" || kill.phase === "before";
  if (joined && !(kill.step === "settle" && kill.nth > PAGES)) {
    expect(run).toMatchObject({ created: 2, updated: 2, removed: 3 });
    expect(listing.requests.length).toBeLessThanOrEqual(PAGES + IN_FLIGHT);
  }
}

describe("a run that is killed and given again ends complete and the same", () => {
  const steps: StepName[] = ["fetch", "commit", "checkpoint", "settle", "verify", "remove", "close"];
  const places = steps.flatMap((step) =>
    (["before", "after"] as const).map((phase) => ({
      step,
      phase,
      nth: ["verify", "remove", "close"].includes(step) ? 1 : 2,
    })),
  );
  test.each(places)("when killed $phase step $step", (kill) => killAndRepeat(kill));
});
