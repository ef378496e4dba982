/**
 * Law 4 over real processes, some of which are killed and some of which sleep longer than their lease, while the pool is
 * resized: verified afterwards, once from the pool's log and once from what the processes report, on one clock.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { checkHeld, type HeldStep } from "../../support/permitChecker.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type TestPool, testPool } from "./support.ts";

jest.setTimeout(180_000);
const root = join(import.meta.dirname, "../../..");
const providers = ["attack", "capec", "cve", "cwe"];
const leaseMs = 1_500;
const graceMs = 500;

let server: TestRedis;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.all([...children].map((child) => end(child, "SIGKILL")));
  await server.stop();
});

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await gone;
  }
  children.delete(child);
}

class Fleet {
  readonly pool: TestPool;
  readonly members: ChildProcess[] = [];
  /** Lease → first and last moment of work under it, ms. */
  readonly work = new Map<string, { from: number; to: number }>();
  /** What its size was set to and when, ms on the processes' clock. */
  readonly sizes: HeldStep[] = [];
  readonly #prefix: string;
  readonly #stubborn: number;
  #steps = 0;

  constructor(prefix: string, stubborn: number) {
    this.#prefix = prefix;
    this.#stubborn = stubborn;
    const times = { leaseMs, graceMs, waiterMs: 1_000, pollMs: 100 };
    this.pool = testPool(server.client(), { prefix, size: 3, ...times });
  }

  start(n: number): void {
    const provider = providers[n % providers.length]!;
    const plan = JSON.stringify({
      ...{ url: server.url, prefix: this.#prefix, provider, leaseMs, graceMs, stubborn: this.#stubborn },
    });
    const script = join(import.meta.dirname, "holderProcess.ts");
    const child = spawn(process.execPath, ["--import", join(root, "scripts/ts-loader.mjs"), script, plan], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.add(child);
    createInterface(child.stdout!).on("line", (line) => {
      const [lease, ns] = line.split(" ") as [string, string];
      const at = Number(BigInt(ns) / 1000n) / 1000;
      const known = this.work.get(lease);
      this.work.set(lease, { from: known?.from ?? at, to: at });
      this.#steps++;
    });
    this.members[n] = child;
  }

  async resize(size: number): Promise<void> {
    const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
    const before = now();
    await this.pool.resize(size, { actor: "test", reason: "test" });
    // Whichever of the two moments allows more: the true one lies between.
    const grows = size > (this.sizes.at(-1)?.size ?? 0);
    this.sizes.push({ at: grows ? before : now(), held: 0, size });
  }

  /** Until so many more steps of work were done. */
  async untilWorked(steps: number): Promise<void> {
    const goal = this.#steps + steps;
    while (this.#steps < goal) await sleep(10);
  }

  async kill(n: number): Promise<void> {
    await end(this.members[n]!, "SIGKILL");
    this.start(n);
  }

  /** Sleeps past its lease, then goes on as if nothing had been. */
  async freeze(n: number): Promise<void> {
    this.members[n]!.kill("SIGSTOP");
    await sleep(leaseMs + 500 * Math.random() + 200);
    this.members[n]!.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((child) => end(child, "SIGTERM")));
  }

  checkWork() {
    const steps = [...this.work.values()].flatMap(({ from, to }) => [
      { at: from, held: 1 },
      { at: to, held: -1 },
    ]);
    return checkHeld([...this.sizes, ...steps], leaseMs + graceMs + 200);
  }
}

const pick = (): number => Math.floor(Math.random() * 8);

describe("eight processes", () => {
  test("on a pool of 3 never hold more than 3 permits, though they are killed and sleep past their leases", async () => {
    const fleet = new Fleet("fleet-3", 0.1);
    await fleet.resize(3);
    for (let n = 0; n < 8; n++) fleet.start(n);
    await fleet.untilWorked(100);
    for (let round = 0; round < 6; round++) {
      const sleeper = pick();
      const frozen = fleet.freeze(sleeper);
      await fleet.kill((sleeper + 1 + Math.floor(Math.random() * 7)) % 8);
      await frozen;
      await fleet.untilWorked(20);
    }
    await fleet.stop();
    const verdict = await fleet.pool.verdict();
    expect(verdict.violations).toEqual([]);
    expect(verdict.mostHeld).toBe(3);
    expect(verdict.lapsed).toBeGreaterThan(0);
    const worked = fleet.checkWork();
    expect(worked.violations).toEqual([]);
    expect(worked.mostHeld).toBe(3);
    expect((await fleet.pool.audit({ repair: false, actor: "test" })).findings).toEqual([]);
  });

  test("hold no more than a resize from 10 to 2 and back allows, one lease and one grace after it", async () => {
    const fleet = new Fleet("fleet-resized", 0.5);
    await fleet.resize(10);
    for (let n = 0; n < 8; n++) fleet.start(n);
    await fleet.untilWorked(600);
    const frozen = fleet.freeze(pick());
    await fleet.resize(2);
    await fleet.kill(pick());
    await frozen;
    await sleep(leaseMs + graceMs);
    await fleet.untilWorked(50);
    expect((await fleet.pool.show()).allocated).toBeLessThanOrEqual(2);
    await fleet.resize(10);
    while ((await fleet.pool.show()).allocated < 5) await sleep(5);
    await fleet.stop();
    const verdict = await fleet.pool.verdict();
    expect(verdict.violations).toEqual([]);
    expect(verdict.mostHeld).toBeGreaterThan(2);
    expect(fleet.checkWork().violations).toEqual([]);
  });
});
