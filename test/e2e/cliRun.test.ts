import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { canonicalJson } from "../../src/core/json.ts";
import { providers as registered } from "../../src/providers/registry.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { fromRequest } from "../support/lastingFault.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, bin, isAlive, killAll, startUee, uee, until } from "./cliSupport.ts";

interface Runs {
  runs: {
    provider: string;
    runId: string;
    mode: string;
    state: string;
    fetched: number;
    created: number;
    updated: number;
    unchanged: number;
    removed: number;
    deadLettered: number;
    requests: number;
    error: { code: string } | null;
  }[];
}

const run = (text: string, provider: string) =>
  (JSON.parse(text) as Runs).runs.find((one) => one.provider === provider)!;

let redis: TestRedis;
let simulator: Simulator;
let prefix = 0;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({
    extremes: true,
    // Three NVD pages.
    cves: 4_200,
    recordBytes: 1_000,
    cwes: 40,
    capecs: 30,
    attackObjects: 120,
  });
});

afterAll(async () => {
  await simulator?.close();
  await redis?.stop();
});

/** Every test has a mirror of its own. */
beforeEach(() => {
  simulator.setPoint("before");
  simulator.clearFaults();
  env = bareEnv({
    REDIS_URL: redis.url,
    UEE_PREFIX: `t${++prefix}`,
    UEE_WAIT_SCALE: "0.02",
    ...environmentOf(simulator),
    // A full run is three pages of the API instead of fifty requests for feeds.
    UEE_CVE_FEEDS_URL: "off",
  });
});

afterEach(killAll);

const cveRequests = () => simulator.counts().requests.cve;

/** The first page is served and the others are refused until `clearFaults`: a run stays open as long as a test needs it. */
const refuseAfterFirstPage = (): void => simulator.setFaults([fromRequest(2, "status-503", "cve")]);

describe("mirroring", () => {
  test("loads all, then only what changed; what is exported equals the upstream", async () => {
    env.UEE_CVE_FEEDS_URL = simulator.urls.feeds;
    const first = await uee(["run", "all", "--wait", "--json"], { env });
    expect(first.stderr).not.toContain("Warning");
    expect(first.code).toBe(0);
    const { runs } = JSON.parse(first.stdout) as Runs;
    expect(runs.map(({ provider, mode, state }) => [provider, mode, state])).toEqual(
      registered.map(({ name }) => [name, "full", "complete"]),
    );
    for (const one of runs) {
      expect(one.fetched).toBe(one.created + one.updated + one.unchanged);
      expect(one.fetched).toBeGreaterThan(0);
    }

    const exported = await uee(["export", "cve"], { env });
    expect(exported.code).toBe(0);
    const lines = exported.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const truth = [...simulator.content("cve")];
    expect(lines.map(({ id }) => id)).toEqual(truth.map(({ id }) => id));
    expect(lines.every(({ data }, i) => canonicalJson(data) === canonicalJson(truth[i]!.data))).toBe(true);
    expect(Object.keys(lines[0])).toEqual(["urn", "provider", "id", "firstSeen", "lastChanged", "data"]);

    const again = await uee(["run", "all", "--json"], { env });
    expect(again.code).toBe(0);
    expect(run(again.stdout, "cve")).toMatchObject({ mode: "incremental", created: 0, updated: 0 });
    for (const name of ["cwe", "capec", "attack"]) {
      expect(run(again.stdout, name)).toMatchObject({ state: "complete", fetched: 0, requests: 1 });
    }
  });

  test("a reader that goes away ends the export quietly", async () => {
    await uee(["run", "cve"], { env });
    const script = `"${process.execPath}" "${bin}" export cve | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script], { env, maxBuffer: 1e9 });
    const [line, code] = stdout.trimEnd().split("\n");
    expect(JSON.parse(line!).provider).toBe("cve");
    expect(code).toBe("0");
    expect(stderr).toBe("");
  });

  test("records are found by id, URN and alias; what is gone says when and why", async () => {
    await uee(["run", "cve", "attack"], { env });
    const [known] = [...simulator.content("cve")];
    const byId = await uee(["get", known!.id.toLowerCase()], { env });
    expect(JSON.parse(byId.stdout)).toMatchObject({ id: known!.id, urn: `v2e::nvd::cve::${known!.id}` });
    const byUrn = await uee(["get", `v2e::nvd::cve::${known!.id}`, "--json"], { env });
    expect(JSON.parse(byUrn.stdout)).toEqual(JSON.parse(byId.stdout));

    const { removed } = simulator.mutate({ remove: 1 });
    expect((await uee(["run", "cve", "--full"], { env })).code).toBe(0);
    const gone = await uee(["get", removed[0]!], { env });
    expect(gone).toMatchObject({ code: 1, stdout: "" });
    expect(gone.stderr).toMatch(/was removed at 20/);

    const unknown = await uee(["get", known!.id.replace("CVE-", ""), "--json"], { env });
    expect(unknown.code).toBe(1);
    expect(JSON.parse(unknown.stdout).error).toMatchObject({ code: "STOR_NOT_FOUND" });
    expect(unknown.stderr).toContain(`Did you mean ${known!.id}?`);
  });

  test("the change feed goes on from a cursor, and follows until told to stop", async () => {
    await uee(["run", "cve"], { env });
    const all = await uee(["changes"], { env });
    const cursor = JSON.parse(all.stdout.trimEnd().split("\n").at(-1)!).cursor as string;
    expect((await uee(["changes", "--since", cursor], { env })).stdout).toBe("");

    const follower = startUee(["changes", "--since", cursor, "--follow"], { env });
    const { modified } = simulator.mutate({ modify: 1 });
    expect((await uee(["run", "cve"], { env })).code).toBe(0);
    await follower.said(`"id":"${modified[0]}"`);
    follower.kill("SIGINT");
    const ended = await follower.ended;
    expect(ended.code).toBe(0);
    const change = JSON.parse(ended.stdout.trimEnd().split("\n")[0]!);
    expect(change).toMatchObject({ op: "updated", id: modified[0] });
    expect(change.fields).toContain("lastModified");

    expect((await uee(["changes", "--since", "nonsense"], { env })).code).toBe(2);
  });

  test("a provider that was never verified is not exported, unless asked for", async () => {
    const refused = await uee(["export", "cve"], { env });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("PROV_UNVERIFIED");
    expect(await uee(["export", "cve", "--allow-partial"], { env })).toMatchObject({ code: 0, stdout: "" });
    expect((await uee(["status", "--check"], { env })).code).toBe(1);
  });
});

describe("interruptions", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s ends a run with %i; the same command continues it", async (signal, code) => {
    const before = cveRequests();
    refuseAfterFirstPage();
    const child = startUee(["run", "cve", "--wait", "--json"], { env });
    await until("the second page is asked for", () => cveRequests() >= before + 2);
    child.kill(signal);
    const ended = await child.ended;
    simulator.clearFaults();
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(/the same command continues: \S*uee run cve --wait\n/);
    const interrupted = run(ended.stdout, "cve");
    expect(interrupted).toMatchObject({ state: "incomplete", error: { code: "SYS_INTERRUPTED" } });

    const again = await uee(["run", "cve", "--wait", "--json"], { env });
    expect(again.code).toBe(0);
    expect(run(again.stdout, "cve")).toMatchObject({
      runId: interrupted.runId,
      state: "complete",
      fetched: [...simulator.content("cve")].length,
    });
  });

  test("a sink that is stopped while it waits for PostgreSQL does not say that it is current", async () => {
    const sinkEnv = { ...env, UEE_POSTGRES_URL: "postgres://uee@127.0.0.1:1/uee" };
    const child = startUee(["sink", "postgres"], { env: sinkEnv });
    await child.said("the sink waits");
    child.kill("SIGTERM");
    const ended = await child.ended;
    expect(ended).toMatchObject({ code: 143, stdout: "" });
    expect(ended.stderr).toContain("Stopped before PostgreSQL was current: 0 changes applied.");
  });

  test("killed outright, the same command continues the same run alone", async () => {
    const before = cveRequests();
    refuseAfterFirstPage();
    const child = startUee(["run", "cve"], { env });
    await until("the second page is asked for", () => cveRequests() >= before + 2);
    child.kill("SIGKILL");
    await child.ended;
    simulator.clearFaults();
    const again = await uee(["run", "cve", "--json"], { env });
    expect(again.code).toBe(0);
    const finished = run(again.stdout, "cve");
    expect(finished).toMatchObject({ mode: "full", state: "complete" });
    expect(finished.fetched).toBe([...simulator.content("cve")].length);
  });

  test("--timeout ends the waiting with 1; the run stays open and is joined later", async () => {
    simulator.setFaults(["status-503:cve"]);
    const late = await uee(["run", "cve", "--timeout", "3s", "--json"], { env });
    expect(late.code).toBe(1);
    expect(run(late.stdout, "cve")).toMatchObject({
      state: "incomplete",
      error: {
        code: "SYS_WAIT_TIMEOUT",
        message: expect.stringContaining("It was waiting for "),
      },
    });
    simulator.clearFaults();
    const again = await uee(["run", "cve", "--json"], { env });
    expect(run(again.stdout, "cve")).toMatchObject({
      runId: run(late.stdout, "cve").runId,
      state: "complete",
    });
  });

  test("--full over an open increment waits for it, then opens", async () => {
    await uee(["run", "cve"], { env });
    simulator.setFaults(["status-503:cve"]);
    const open = await uee(["run", "cve", "--timeout", "3s", "--json"], { env });
    expect(run(open.stdout, "cve")).toMatchObject({ mode: "incremental", state: "incomplete" });
    simulator.clearFaults();
    const full = await uee(["run", "cve", "--full", "--json"], { env });
    expect(full.code).toBe(0);
    expect(full.stderr).toContain(`the open run ${run(open.stdout, "cve").runId} ends first`);
    expect(run(full.stdout, "cve")).toMatchObject({ mode: "full", state: "complete" });
  });
});

describe("workers", () => {
  test("take the run off the command's hands, and stop with 0", async () => {
    const workers = [1, 2].map(() => startUee(["worker"], { env }));
    await Promise.all(workers.map((worker) => worker.said("is ready")));
    const opened = await uee(["run", "cve", "capec", "--json"], { env });
    expect(opened.code).toBe(0);
    expect(run(opened.stdout, "cve").error).toBeNull();
    const waited = await uee(["run", "cve", "capec", "--wait", "--json"], { env });
    expect(waited.code).toBe(0);
    expect(run(waited.stdout, "cve")).toMatchObject({ state: "complete" });
    const status = JSON.parse((await uee(["status", "--json"], { env })).stdout);
    expect(status.workers.map(({ pid }: { pid: number }) => pid).sort()).toEqual(
      workers.map(({ child }) => child.pid!).sort(),
    );
    for (const worker of workers) worker.kill("SIGTERM");
    for (const worker of workers) expect((await worker.ended).code).toBe(0);
    expect(JSON.parse((await uee(["status", "--json"], { env })).stdout).workers).toEqual([]);
  });

  test("need REDIS_URL", async () => {
    const { REDIS_URL: _left, ...without } = env;
    const refused = await uee(["worker"], { env: without });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("SYS_REDIS_REQUIRED");
  });

  test("wait for a Redis that is away, and stop with 0 while they wait", async () => {
    const worker = startUee(["worker"], { env: { ...env, REDIS_URL: "redis://127.0.0.1:1" } });
    await worker.said("Waiting for it");
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test("of `up` are stopped with it, and do not outlive it when it is killed", async () => {
    for (const [signal, code] of [
      ["SIGTERM", 0],
      ["SIGKILL", null],
    ] as const) {
      const up = startUee(["up", "--workers", "2"], { env });
      await up.said(/is ready[\s\S]*is ready/);
      const pids = /Workers.*: (\d+), (\d+)/.exec(up.stderr)!.slice(1).map(Number);
      expect(pids.every(isAlive)).toBe(true);
      up.kill(signal);
      expect((await up.ended).code).toBe(code);
      await until("the workers are gone", () => !pids.some(isAlive));
    }
  });
});

describe("Redis", () => {
  test("out of reach ends with 3, in words and in JSON", async () => {
    const nowhere = { ...env, REDIS_URL: "redis://:s3cret@127.0.0.1:1" };
    const [human, json] = await Promise.all([
      uee(["status"], { env: nowhere }),
      uee(["run", "cve", "--json"], { env: nowhere }),
    ]);
    expect(human).toMatchObject({ code: 3, stdout: "" });
    expect(human.stderr).toContain("SYS_REDIS_UNREACHABLE");
    expect(human.stderr).not.toContain("s3cret");
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout).error.code).toBe("SYS_REDIS_UNREACHABLE");
  });

  test("restarted in mid-run: the run goes on by itself and ends complete", async () => {
    const before = cveRequests();
    refuseAfterFirstPage();
    const child = startUee(["run", "cve", "--json"], { env });
    await until("the second page is asked for", () => cveRequests() >= before + 2);
    await redis.restart();
    await child.said("Redis is back");
    simulator.clearFaults();
    const ended = await child.ended;
    expect(ended.code).toBe(0);
    expect(run(ended.stdout, "cve")).toMatchObject({
      state: "complete",
      fetched: [...simulator.content("cve")].length,
    });
  });

  test("a configuration that is wrong ends with 2 and says what would be right", async () => {
    const wrong = await uee(["status"], { env: { ...env, UEE_CVE_RATE: "fast" } });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("UEE_CVE_RATE must be a rate such as 50/30s, or unlimited");
  });
});

test("doctor finds an upstream that is not there, and shows no secret", async () => {
  const sick = await uee(["doctor", "--json"], {
    env: {
      ...env,
      UEE_CAPEC_URL: "http://127.0.0.1:1/",
      NVD_API_KEY: "0aa0aa00-1111-2222-3333-444444444444",
    },
  });
  expect(sick.code).toBe(1);
  const { findings } = JSON.parse(sick.stdout) as { findings: { check: string; verdict: string }[] };
  const verdict = (check: string) => findings.find((one) => one.check === check)?.verdict;
  expect(verdict("upstream capec")).toBe("problem");
  expect(verdict("upstream cve")).toBe("ok");
  expect(verdict("memory")).toBe("ok");
  expect(sick.stdout + sick.stderr).not.toContain("0aa0aa00");
});

test("the simulator prints what to paste and ends with 0", async () => {
  const child = startUee(["simulate", "--cves", "100", "--fault", "status-503#1:cve"], { env: bareEnv() });
  await child.said("Ctrl-C");
  const url = /export UEE_CVE_URL=(\S+)/.exec(child.stdout)![1]!;
  expect((await fetch(`${url}?resultsPerPage=1`)).status).toBe(503);
  expect((await fetch(`${url}?resultsPerPage=1`)).status).toBe(200);
  child.kill("SIGINT");
  expect((await child.ended).code).toBe(0);
});
