/** `uee reconcile` as people and scripts call it. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, uee } from "./cliSupport.ts";

let redis: TestRedis;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 300, recordBytes: 600 });
  env = bareEnv({ REDIS_URL: redis.url, ...environmentOf(simulator) });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});

test("compares, repairs and reports in the contract's fields; its exit code says whether anything is left", async () => {
  expect((await uee(["run", "cve", "--full", "--wait"], { env })).code).toBe(0);
  simulator.mutate({ silent: 3, remove: 2 });
  const looked = await uee(["reconcile", "cve", "--no-repair", "--json"], { env });
  const found = { provider: "cve", checked: 300, equal: 295, newer: 0, stale: 3, missing: 0, extra: 2 };
  const report = JSON.parse(looked.stdout);
  expect([looked.code, report]).toMatchObject([1, { ...found, repaired: 0, unexplained: 0 }]);
  expect(Object.keys(report)).toEqual(
    "provider checked equal newer stale missing extra repaired unexplained feeds durationMs".split(" "),
  );
  expect(Object.keys(report.feeds[0])).toEqual(["name", "sha256", "lastModified", "records"]);

  const repaired = await uee(["reconcile", "--json"], { env });
  expect([repaired.code, JSON.parse(repaired.stdout)]).toMatchObject([
    0,
    { ...found, repaired: 5, unexplained: 0 },
  ]);
  const again = await uee(["reconcile"], { env });
  expect(again.code).toBe(0);
  expect(again.stdout).toMatch(/^equal to NVD's feeds of \d+ \w+: 298 of 298\n$/);
  expect((await uee(["status", "cve"], { env })).stdout).toMatch(
    /equal to NVD's feeds of \d+ \w+: 298 of 298/,
  );

  const off = await uee(["reconcile", "--json"], { env: { ...env, UEE_CVE_FEEDS_URL: "off" } });
  expect([off.code, JSON.parse(off.stdout).error.code]).toEqual([1, "PROV_FEEDS_UNUSABLE"]);
});
