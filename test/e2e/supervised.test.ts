/** `uee up` keeps its workers at work; services stop in order, and probes are told the truth meanwhile. */
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import type { ProviderStatus, WorkerView } from "../../src/engine/api.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { bareEnv, isAlive, killAll, startUee, type UeeProcess, uee, until } from "./cliSupport.ts";

const misbehave = new URL("../support/misbehave.mjs", import.meta.url);
const CVES = 12_000;

let redis: TestRedis;
let proxy: TcpProxy;
let simulator: Simulator;
let prefix = 0;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  proxy = await startTcpProxy({ port: redis.port });
  simulator = await startSimulator({ cves: CVES, recordBytes: 600, extremes: false, latencyMs: 300 });
});
afterAll(async () => {
  await simulator?.close();
  await proxy?.close();
  await redis?.stop();
});
beforeEach(() => {
  env = bareEnv({
    REDIS_URL: redis.url,
    UEE_PREFIX: `s${++prefix}`,
    UEE_SCHEDULES: "off",
    UEE_PORT: "0",
    NODE_OPTIONS: `--import=${fileURLToPath(misbehave)}`,
    ...environmentOf(simulator),
  });
});
afterEach(() => {
  proxy.heal();
  killAll();
});

interface Line {
  event: string;
  workerPid: number;
  why?: string;
  how?: string;
  code?: string;
  port?: number;
  left?: string[];
}

const linesOf = (process: UeeProcess, event: string): Line[] =>
  process.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line.event === event);

const workersOf = (up: UeeProcess): number[] =>
  /Workers.*: ([\d, ]+)/.exec(up.stderr)![1]!.split(", ").map(Number);

describe("uee up", () => {
  test("brings back workers that were killed, frozen or hung, and the run completes meanwhile", async () => {
    const up = startUee(["up", "--workers", "3"], { env });
    await up.said(/is ready[\s\S]*is ready[\s\S]*is ready/);
    const [killed, frozen, hung] = workersOf(up) as [number, number, number];
    const opened = await uee(["run", "cve", "--json"], { env });
    const { runId } = JSON.parse(opened.stdout).runs[0];
    process.kill(killed, "SIGKILL");
    process.kill(frozen, "SIGSTOP");
    process.kill(hung, "SIGUSR2");
    await until("three are back", () => linesOf(up, "worker_restarted").length === 3);
    expect(
      linesOf(up, "worker_lost")
        .map(({ workerPid }) => workerPid)
        .sort(),
    ).toEqual([killed, frozen, hung].sort());
    expect(
      linesOf(up, "worker_killed")
        .map(({ workerPid }) => workerPid)
        .sort(),
    ).toEqual([frozen, hung].sort());
    expect(linesOf(up, "worker_killed").every(({ why }) => why!.includes("pings"))).toBe(true);
    expect([killed, frozen, hung].some(isAlive)).toBe(false);

    const cve = async (): Promise<ProviderStatus> =>
      JSON.parse((await uee(["status", "--json"], { env })).stdout).providers[0];
    await until("the run has ended", async () => (await cve()).openRun === null);
    expect((await cve()).lastRun).toMatchObject({ runId, state: "complete", fetched: CVES, deadLettered: 0 });
    const { workers } = JSON.parse((await uee(["status", "--json"], { env })).stdout) as {
      workers: WorkerView[];
    };
    const pidsThat = (health: WorkerView["health"]) =>
      workers.filter((worker) => worker.health === health).map(({ pid }) => pid);
    expect(pidsThat("live").sort()).toEqual(
      linesOf(up, "worker_restarted")
        .map(({ workerPid }) => workerPid)
        .sort(),
    );
    expect(pidsThat("dead").sort()).toEqual([killed, frozen, hung].sort());
    expect((await uee(["status"], { env })).stdout).toMatch(
      /3 live workers[\s\S]*worker +state +batches +response/,
    );

    up.kill("SIGTERM");
    expect((await up.ended).code).toBe(0);
    expect(pidsThat("live").some(isAlive)).toBe(false);
  });

  test("gives up workers that die again and again, and ends when none is left", async () => {
    const up = startUee(["up", "--workers", "2"], { env: { ...env, UEE_TEST_CRASH: "7" } });
    const ended = await up.ended;
    expect(ended.code).toBe(1);
    expect(linesOf(up, "crash_loop")).toMatchObject([{ code: "SYS_CRASH_LOOP" }, { code: "SYS_CRASH_LOOP" }]);
    expect(linesOf(up, "worker_started")).toHaveLength(2 * (1 + 5));
    expect(linesOf(up, "worker_lost").every(({ how }) => how === "ended with code 7")).toBe(true);
    expect(ended.stderr).toContain("SYS_CRASH_LOOP: of the workers none is left");
  });

  test("does not wait for a frozen worker beyond the deadline, and says what it left", async () => {
    const up = startUee(["up", "--workers", "1"], { env: { ...env, UEE_STOP_DEADLINE: "1s" } });
    await up.said("is ready");
    const [frozen] = workersOf(up) as [number];
    process.kill(frozen, "SIGSTOP");
    up.kill("SIGTERM");
    expect((await up.ended).code).toBe(0);
    expect(linesOf(up, "stop_late")).toMatchObject([
      { code: "SYS_STOP_LATE", left: ["1 worker did not stop and were killed"] },
    ]);
    await until("the worker is gone", () => !isAlive(frozen));
  });
});

describe("uee worker", () => {
  /** A worker behind a proxy that does not let it reach Redis yet, and the port that it answers probes on. */
  async function waitingWorker(): Promise<{
    worker: UeeProcess;
    ask: (path: string) => Promise<{ status: number; body: unknown }>;
  }> {
    proxy.refuse();
    const args = ["worker", "--health-port", "0", "--health-host", "127.0.0.1"];
    const worker = startUee(args, { env: { ...env, REDIS_URL: `redis://127.0.0.1:${proxy.port}` } });
    await worker.said('"event":"health"');
    const [{ port }] = linesOf(worker, "health") as [Line];
    return {
      worker,
      ask: async (path) => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        return { status: response.status, body: await response.json() };
      },
    };
  }

  test("tells probes that it starts, takes batches, and stops; a second signal ends it at once", async () => {
    const { worker, ask } = await waitingWorker();
    expect(await ask("/livez")).toMatchObject({ status: 200, body: { live: true, state: "starting" } });
    expect(await ask("/readyz")).toMatchObject({
      status: 503,
      body: {
        ready: false,
        state: "starting",
        worker: null,
        reasons: [expect.stringContaining("waits for Redis")],
      },
    });
    proxy.heal();
    await until("it is ready", async () => (await ask("/readyz")).status === 200);
    expect(await ask("/readyz")).toMatchObject({
      body: { ready: true, worker: expect.stringMatching(/^w-/) },
    });

    // A Redis that swallows everything keeps the stop busy.
    proxy.swallow();
    worker.kill("SIGTERM");
    await worker.said('"event":"stopping"');
    expect(await ask("/readyz")).toMatchObject({ status: 503, body: { ready: false, state: "stopping" } });
    expect(await ask("/livez")).toMatchObject({ status: 200, body: { live: true } });
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(143);
  });

  test("told to stop while it still waits for Redis, ends with 0", async () => {
    const { worker } = await waitingWorker();
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test("whose health port is taken says so and ends with 2", async () => {
    const taken = await uee(["worker", "--health-port", String(redis.port)], { env });
    expect(taken.code).toBe(2);
    expect(taken.stderr).toMatch(/API_CANNOT_LISTEN: The health port \d+ cannot be opened: it is in use/);
  });
});
