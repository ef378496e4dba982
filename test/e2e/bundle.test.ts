/** `uee bundle` as people and scripts call it; the walk-through of the air gap is a test of examples.test.ts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, uee } from "./cliSupport.ts";

let cwd: string;
let redis: TestRedis;
let simulator: Simulator;
/** Mirror with upstreams, and one without. */
let env: NodeJS.ProcessEnv;
let inside: NodeJS.ProcessEnv;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "uee-bundle-cli-"));
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 200, cwes: 20, capecs: 10, attackObjects: 20 });
  env = bareEnv({ REDIS_URL: redis.url, ...environmentOf(simulator) });
  inside = bareEnv({ REDIS_URL: redis.url, UEE_PREFIX: "inside" });
});
afterEach(killAll);
afterAll(async () => {
  await simulator.close();
  await redis.stop();
  rmSync(cwd, { recursive: true, force: true });
});

const codeOf = ({ stdout }: { stdout: string }): string => JSON.parse(stdout).error.code;
const lines = (stdout: string): unknown[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => {
      const { urn, data } = JSON.parse(line) as { urn: string; data: unknown };
      return [urn, data];
    });

test("create, verify, load: what the other mirror exports is equal; refusals have codes and change nothing", async () => {
  expect((await uee(["run", "kev", "cwe", "--wait"], { env })).code).toBe(0);
  const unverified = await uee(["bundle", "create", "all.bundle", "--json"], { env, cwd });
  expect([unverified.code, codeOf(unverified)]).toEqual([1, "PROV_UNVERIFIED"]);
  expect(JSON.parse(unverified.stdout).error.message).toContain("cve, capec, attack, epss");
  expect(readdirSync(cwd)).toEqual([]);

  const created = await uee(["bundle", "create", "one.bundle", "--provider", "kev,cwe", "--json"], {
    env,
    cwd,
  });
  const told = JSON.parse(created.stdout);
  expect([created.code, told]).toMatchObject([
    0,
    { file: "one.bundle", providers: [{ name: "cwe" }, { name: "kev" }] },
  ]);
  const verified = await uee(["bundle", "verify", "one.bundle", "--json"], { env: bareEnv(), cwd });
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([
    0,
    { id: told.id, signedBy: null, base: null },
  ]);

  const loaded = await uee(["bundle", "load", "one.bundle", "--json"], { env: inside, cwd });
  const { runs } = JSON.parse(loaded.stdout);
  expect([loaded.code, runs]).toMatchObject([
    0,
    [
      { provider: "cwe", mode: "full", state: "complete", requests: 0 },
      { provider: "kev", state: "complete", requests: 0 },
    ],
  ]);
  for (const name of ["cwe", "kev"]) {
    const [here, there] = await Promise.all([
      uee(["export", name], { env: inside }),
      uee(["export", name], { env }),
    ]);
    expect(lines(here.stdout)).toEqual(lines(there.stdout));
  }

  writeFileSync(join(cwd, "cut.bundle"), readFileSync(join(cwd, "one.bundle")).subarray(0, -600));
  const cut = await uee(["bundle", "load", "cut.bundle", "--json"], { env: inside, cwd });
  expect([cut.code, codeOf(cut)]).toEqual([1, "VAL_BUNDLE"]);
  const absent = await uee(["bundle", "load", "one.bundle", "--provider", "cve", "--json"], {
    env: inside,
    cwd,
  });
  expect([absent.code, codeOf(absent)]).toEqual([2, "SYS_USAGE"]);
  const noKey = await uee(["bundle", "verify", "one.bundle", "--public-key", "one.bundle", "--json"], {
    env,
    cwd,
  });
  expect([noKey.code, codeOf(noKey)]).toEqual([2, "VAL_BUNDLE_KEY"]);

  simulator.mutate({ provider: "kev", add: 1 });
  expect((await uee(["run", "kev", "--full", "--wait"], { env })).code).toBe(0);
  const piped = await uee(["bundle", "create", "-", "--provider", "kev", "--since", "one.bundle"], {
    env,
    cwd,
  });
  expect([piped.code, piped.stderr]).toEqual([
    0,
    expect.stringContaining("kev: 1 new or changed, 0 removed"),
  ]);
});
