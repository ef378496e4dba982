/**
 * `uee` on a Redis Cluster, as the ACL user of docs/redis.md: doctor, a run without workers, what reads, and what is
 * refused.
 */
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { providers } from "../../src/providers/registry.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startCluster, type TestCluster } from "../support/redisCluster.ts";
import { bareEnv, killAll, uee } from "./cliSupport.ts";

const password = "s3cret-of-the-cluster";
let cluster: TestCluster;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  cluster = await startCluster({
    client: { password },
    server: { password, args: ["--requirepass", password, "--masterauth", password] },
  });
  const docs = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8");
  const line = /^ACL (SETUSER uee .+)$/m.exec(docs)![1]!.replace("PASSWORD", password);
  const user = [...line.split(" "), "+cluster|slots"];
  for (const node of cluster.nodes) await cluster.admin(node).call("ACL", user);
  simulator = await startSimulator({ cves: 300, cwes: 2, capecs: 2, attackObjects: 4 });
  env = bareEnv({
    REDIS_URL: cluster.url.replace("//:", "//uee:"),
    UEE_CVE_RATE: "unlimited",
    ...environmentOf(simulator),
  });
});
afterAll(async () => {
  await simulator?.close();
  await cluster?.stop();
});
afterEach(killAll);

test("a run works by itself, and everything that reads finds it", async () => {
  const run = await uee(["run", "all", "--wait", "--json"], { env });
  expect({ code: run.code, stderr: run.code === 0 ? "" : run.stderr }).toEqual({ code: 0, stderr: "" });
  const { runs } = JSON.parse(run.stdout) as { runs: { provider: string; state: string }[] };
  expect(runs.map(({ provider, state }) => `${provider} ${state}`).sort()).toEqual(
    providers.map(({ name }) => `${name} complete`).sort(),
  );
  const [first] = [...simulator.content("cve")];
  expect(JSON.parse((await uee(["get", first!.id, "--json"], { env })).stdout)).toMatchObject({
    id: first!.id,
  });
  const exported = await uee(["export", "cve"], { env });
  expect(exported.stdout.trim().split("\n")).toHaveLength(300);
  const status = await uee(["status"], { env });
  expect(status.code).toBe(0);
  expect(run.stderr + status.stdout + status.stderr).not.toContain(password);
});

test("doctor looks at every master, and says which providers each holds", async () => {
  const { stdout } = await uee(["doctor", "--json"], { env });
  expect(stdout).not.toContain(password);
  const { findings } = JSON.parse(stdout) as {
    findings: { check: string; verdict: string; message: string }[];
  };
  const of = (check: string) => findings.filter((finding) => finding.check === check);
  const masters = (await cluster.masters()).map(({ port }) => `127.0.0.1:${port}`).sort();
  const named = (check: string) => of(check).map(({ message }) => /^[\d.]+:\d+/.exec(message)?.[0]);
  expect(named("redis").sort()).toEqual(masters);
  expect(named("memory").sort()).toEqual(masters);
  const held = of("memory").flatMap(({ message }) => /: (.+?) \(/.exec(message)![1]!.split(", "));
  expect(held.filter((name) => name !== "no provider").sort()).toEqual(
    providers
      .filter(({ expected }) => expected)
      .map(({ name }) => name)
      .sort(),
  );
  expect(findings.filter(({ check }) => check.startsWith("redis "))).toEqual([]);
});

test("a node without the cluster's form of address is refused with the form", async () => {
  const REDIS_URL = `redis://:${password}@127.0.0.1:${(await cluster.masterOf("{uee}")).port}`;
  const { code, stderr } = await uee(["run", "cve", "--wait"], { env: { ...env, REDIS_URL } });
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("redis+cluster://") });
  expect(stderr).not.toContain(password);
});

test("where no node answers it gives up after five seconds, exit 3", async () => {
  const { code, stderr } = await uee(["status"], {
    env: { ...env, REDIS_URL: "redis+cluster://u:pw@127.0.0.1:1" },
  });
  expect({ code, stderr }).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("SYS_REDIS_UNREACHABLE"),
  });
  expect(stderr).not.toContain("pw@");
});
