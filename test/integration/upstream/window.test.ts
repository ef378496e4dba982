/**
 * Law 7 as the server sees it: a fleet of real processes, some of which are killed and some of which sleep at random
 * moments, and a Redis that is killed in between. Whether any window held too many requests is verified afterwards.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";

const root = join(import.meta.dirname, "../../..");
const script = (name: string) => join(import.meta.dirname, name);
const rate = { max: 8, windowMs: 1_000 };
/** Wide, so that a busy test machine's delays are not taken for the client's mistakes. */
const marginMs = 500;

let dist: string;
let redis: TestRedis;
let door: ChildProcess;
let webUrl: string;
const arrivals: number[] = [];
const onArrival = new Set<() => void>();
const children = new Set<ChildProcess>();
const said: string[] = [];

beforeAll(async () => {
  await mkdir(join(root, "test-artifacts"), { recursive: true });
  dist = await mkdtemp(join(root, "test-artifacts/upstream-"));
  await build(dist);
  redis = await startRedis({ appendonly: true });
  door = spawn(process.execPath, [script("arrivals.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(door.stdout!);
  const [port] = await once(lines, "line");
  webUrl = `http://127.0.0.1:${port}/`;
  lines.on("line", (line: string) => {
    arrivals.push(Number(line));
    for (const check of onArrival) check();
  });
});

afterAll(async () => {
  await Promise.all([...children].map((child) => end(child, "SIGKILL")));
  door.stdin!.end();
  await once(door, "exit");
  await redis.stop();
  await rm(dist, { recursive: true, force: true });
});

/** The client and what it needs, as it is shipped: child processes run without a test runner's help. */
async function build(outDir: string): Promise<void> {
  const config = {
    extends: join(root, "tsconfig.build.json"),
    compilerOptions: { rootDir: join(root, "src"), outDir, declaration: false, sourceMap: false },
    include: [],
    files: ["upstream/client.ts", "redis/keys.ts", "core/logger.ts"].map((file) => join(root, "src", file)),
  };
  await writeFile(join(outDir, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  await new Promise<void>((resolve, reject) => {
    execFile(tsc, ["-p", join(outDir, "tsconfig.json")], (error, output) =>
      error ? reject(new Error(output, { cause: error })) : resolve(),
    );
  });
  for (const folder of ["upstream", "redis"]) {
    await cp(join(root, "src", folder, "lua"), join(outDir, folder, "lua"), { recursive: true });
  }
}

function startCaller(): ChildProcess {
  const settings = JSON.stringify({ rate, marginMs });
  const child = spawn(process.execPath, [script("caller.mjs"), dist, redis.url, webUrl, settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  createInterface(child.stdout!).on("line", (line) => said.push(line));
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await gone;
  }
  children.delete(child);
}

async function untilArrivals(count: number): Promise<void> {
  if (arrivals.length >= count) return;
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (arrivals.length < count) return;
      onArrival.delete(check);
      resolve();
    };
    onArrival.add(check);
  });
}

/** The most requests that any window [t, t + windowMs) held. */
function fullestWindow(times: number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= rate.windowMs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

describe("the requests of a whole fleet", () => {
  test("counted by hand: the check finds a window that is too full", () => {
    const even = Array.from({ length: 20 }, (_, i) => Math.floor(i / 8) * 1_000);
    expect(fullestWindow(even)).toBe(8);
    expect(fullestWindow([...even, 999])).toBe(9);
  });

  test("never exceed what a window allows, though processes sleep and die at any moment", async () => {
    const callers = [startCaller(), startCaller(), startCaller()];
    await untilArrivals(rate.max);
    for (let round = 0; round < 5; round++) {
      const victim = Math.floor(Math.random() * callers.length);
      await sleep(Math.random() * 300);
      callers[victim]!.kill("SIGSTOP");
      // Shorter and longer than the window, the margin and the longest way to the wire.
      await sleep(200 + Math.random() * 2_500);
      callers[victim]!.kill("SIGCONT");
      await sleep(Math.random() * 300);
      const dead = Math.floor(Math.random() * callers.length);
      await end(callers[dead]!, "SIGKILL");
      callers[dead] = startCaller();
    }
    const before = arrivals.length;
    await untilArrivals(before + 2 * rate.max);
    expect(fullestWindow(arrivals)).toBeLessThanOrEqual(rate.max);
    // Not by sending next to nothing: full windows were made use of.
    expect(fullestWindow(arrivals)).toBeGreaterThan(rate.max / 2);
    expect(said.filter((line) => line !== "ok")).toEqual([]);
    await Promise.all(callers.map((caller) => end(caller, "SIGTERM")));
  });

  test("never exceed it though Redis is killed, has forgotten all and comes back", async () => {
    arrivals.length = 0;
    const callers = [startCaller(), startCaller()];
    await untilArrivals(rate.max);
    for (let round = 0; round < 2; round++) {
      // In the middle of a burst: those that still had slots to take come back first.
      await untilArrivals(arrivals.length + rate.max / 2);
      await redis.kill("SIGKILL");
      await rm(join(redis.dir, "appendonlydir"), { recursive: true, force: true });
      await redis.restart();
      await untilArrivals(arrivals.length + rate.max);
    }
    expect(fullestWindow(arrivals)).toBeLessThanOrEqual(rate.max);
    // Meanwhile work is put off, not failed.
    for (const line of said) expect(line).toMatch(/^(ok|UeeError: SYS_REDIS_(UNREACHABLE|TROUBLE))/);
    await Promise.all(callers.map((caller) => end(caller, "SIGTERM")));
  });
});
