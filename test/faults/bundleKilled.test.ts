/**
 * Law 1 for bundles: a load that is killed at any place leaves the store as it was, or a run that the repeated load finishes;
 * in the end the store equals the bundle, and nothing that was staged is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Bundle } from "../../src/outlets/bundle/bundle.ts";
import { createBundle } from "../../src/outlets/bundle/create.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";

const child = fileURLToPath(new URL("../support/killableRun.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "uee-bundle-killed-"));
const [full, delta] = [join(folder, "full"), join(folder, "delta")];
const { signal } = new AbortController();

let redis: TestRedis;
let simulator: Simulator;
let origin: TestEngine;
let before: Map<string, unknown>;
let after: Map<string, unknown>;

beforeAll(async () => {
  redis = await startRedis({});
  // Several slices of 2,000 records.
  simulator = await startSimulator({ cves: 4_500, recordBytes: 600 });
  origin = await openTestEngine(redis.url, {
    providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
  });
  await origin.run("cve", "full");
  const making = { engine: origin.engine, providers: ["cve"], signal };
  await createBundle({ ...making, path: full });
  before = await exported(origin.engine, "cve");
  simulator.mutate({ provider: "cve", add: 5, modify: 40, remove: 6 });
  await origin.run("cve", "full");
  await createBundle({ ...making, path: delta, since: await Bundle.open(full) });
  after = await exported(origin.engine, "cve");
});
afterAll(async () => {
  await origin?.close();
  await Promise.all([redis?.stop(), simulator?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

let islands = 0;
const settingsOf = (prefix: string) =>
  testSettings({ prefix, providers: { cve: { url: "http://127.0.0.1:1/", rate: "unlimited" } } });

interface Kill {
  step: string;
  phase: "before" | "after";
  nth: number;
}

/** Loads in a process of its own. Its signal, or the run's summary. */
async function loadIn(prefix: string, file: string, kill?: Kill): Promise<[string | null, string]> {
  const plan = { url: redis.url, settings: settingsOf(prefix), file, provider: "cve", ...kill };
  const running = spawn(process.execPath, [child, JSON.stringify(plan)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  running.stdout.on("data", (text) => {
    said += text;
  });
  const [, ended] = (await once(running, "close")) as [number | null, string | null];
  return [ended, said];
}

async function stored(prefix: string): Promise<{ verified: boolean; records: Map<string, unknown> }> {
  const mirror = await openTestEngine(redis.url, settingsOf(prefix));
  try {
    const { verifiedAt, openRun } = await mirror.engine.records.verified("cve");
    expect(openRun).toBeNull();
    return { verified: verifiedAt !== null, records: await exported(mirror.engine, "cve") };
  } finally {
    await mirror.close();
  }
}

/** `delta`: a delta is killed at the same place afterwards. */
const kills: (Kill & { opened: boolean; delta: boolean })[] = [
  { step: "stage", phase: "after", nth: 2_500, opened: false, delta: true },
  { step: "open", phase: "after", nth: 1, opened: true, delta: false },
  { step: "commit", phase: "before", nth: 2, opened: true, delta: true },
  { step: "remove", phase: "after", nth: 1, opened: true, delta: false },
  { step: "close", phase: "after", nth: 1, opened: true, delta: false },
];

test.each(kills)(
  "$phase $step $nth: the repeated load ends complete",
  async ({ opened, delta: withDelta, ...kill }) => {
    const prefix = `killed${++islands}`;
    const [ended] = await loadIn(prefix, full, kill);
    expect(ended).toBe("SIGKILL");
    if (!opened) expect(await stored(prefix)).toEqual({ verified: false, records: new Map() });
    const [, said] = await loadIn(prefix, full);
    expect(JSON.parse(said)).toMatchObject({ state: "complete" });
    expect((await stored(prefix)).records).toEqual(before);

    if (withDelta) {
      expect((await loadIn(prefix, delta, kill))[0]).toBe("SIGKILL");
      if (!opened) expect((await stored(prefix)).records).toEqual(before);
      expect(JSON.parse((await loadIn(prefix, delta))[1])).toMatchObject({ state: "complete" });
      expect(await stored(prefix)).toEqual({ verified: true, records: after });
    }
    // Slices of a run that never opened expire by themselves; those of any other are gone.
    const client = redis.client();
    for (const key of await client.keys(`{${prefix}:cve}:run:*:staged*`)) {
      expect(await client.ttl(key)).toBeGreaterThan(0);
    }
  },
);
