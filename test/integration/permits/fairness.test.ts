/**
 * Permit time among providers that all want more, and how long waiters wait; verified from the pool's log by Redis' clock.
 * Holds are short, so that a share settles in seconds; what is verified are proportions and the documented bound.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { holdPermit, isWaiting } from "../../../src/permits/permitHolder.ts";
import { readPermitLog } from "../../support/permitChecker.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type TestPool, testPool } from "./support.ts";

jest.setTimeout(120_000);
let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

interface Wait {
  provider: string;
  /** The waiters that were in the queue when it came. */
  ahead: number;
  waitedMs: number;
}

/** Providers with so many workers, each of which holds a permit for so long and then wants the next. */
interface Load {
  workers: number;
  holdMs: number;
}

/** The waits, and the longest that this process itself stood still meanwhile: no pool can serve it then. */
async function run(
  pool: TestPool,
  loads: Record<string, Load>,
  forMs: number,
): Promise<{ waits: Wait[]; stoodStillMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const waits: Wait[] = [];
  let stop = false;
  let waiting = 0;
  const worker = async (provider: string, n: number, { holdMs }: Load): Promise<void> => {
    for (let turn = 0; !stop; turn++) {
      const ahead = waiting++;
      const since = performance.now();
      const lease = `${provider}-${n}-${turn}`;
      const got = await holdPermit(pool, { lease, provider, waitMs: 60_000, waiter: `${provider}-${n}` });
      waiting--;
      if (isWaiting(got)) break;
      waits.push({ provider, ahead, waitedMs: performance.now() - since });
      await sleep(holdMs);
      got.release();
    }
  };
  const work = Object.entries(loads).flatMap(([provider, load]) =>
    Array.from({ length: load.workers }, (_, n) => worker(provider, n, load)),
  );
  await sleep(forMs);
  stop = true;
  await Promise.all(work);
  delay.disable();
  return { waits, stoodStillMs: delay.max / 1e6 };
}

/** Each provider's part of all permit time, within the busy part of the log; and the longest hold, ms. */
async function shares(pool: TestPool, skipMs: number, forMs: number) {
  const log = readPermitLog(await server.client().xrange(pool.keys.log, "-", "+"));
  const from = log[0]!.at + skipMs * 1000;
  const to = log[0]!.at + forMs * 1000;
  const begun = new Map<string, number>();
  const time: Record<string, number> = {};
  let longest = 0;
  for (const event of log) {
    if (event.event === "grant") begun.set(event.lease, event.at);
    if (event.event !== "release" && event.event !== "expire") continue;
    const start = begun.get(event.lease)!;
    longest = Math.max(longest, (event.at - start) / 1000);
    const held = Math.max(0, Math.min(event.at, to) - Math.max(start, from));
    time[event.provider] = (time[event.provider] ?? 0) + held;
  }
  const all = Object.values(time).reduce((a, b) => a + b, 0);
  return { share: Object.fromEntries(Object.entries(time).map(([p, us]) => [p, us / all])), longest };
}

const within = (share: number | undefined, of: number): void => {
  expect(share).toBeGreaterThan(of - 0.05);
  expect(share).toBeLessThan(of + 0.05);
};

const names = ["attack", "capec", "cve", "cwe"];

describe("four providers that want more than there is", () => {
  test.each([10, 3])(
    "get a quarter of the permit time each out of %d, though one holds eight times as long",
    async (size) => {
      const pool = testPool(server.client(), { size, blocking: () => server.client(), pollMs: 200 });
      const loads = Object.fromEntries(names.map((p) => [p, { workers: 6, holdMs: p === "cve" ? 240 : 30 }]));
      const forMs = 8_000;
      const { waits, stoodStillMs } = await run(pool, loads, forMs);
      const { share, longest } = await shares(pool, 1_000, forMs);
      for (const name of names) within(share[name], 0.25);
      // Every waiter is served within (waiters ahead + 1) x longest hold + 1 s.
      const late = waits.filter((w) => w.waitedMs > (w.ahead + 1) * longest + 1_000 + stoodStillMs);
      expect(late).toEqual([]);
      expect(await pool.verdict()).toMatchObject({ violations: [], mostHeld: size });
      pool.close();
    },
  );

  test("are not delayed by a frozen one: its leases and places end, and the others share all there is", async () => {
    const leaseMs = 2_000;
    const pool = testPool(server.client(), {
      size: 4,
      leaseMs,
      waiterMs: 600,
      pollMs: 200,
      blocking: () => server.client(),
    });
    // Frozen with all it could get in hand, and with more of it in the queue.
    for (let i = 0; i < 8; i++) await pool.acquire({ lease: `frozen-${i}`, provider: "cve" });
    const loads = Object.fromEntries(["attack", "capec", "cwe"].map((p) => [p, { workers: 4, holdMs: 30 }]));
    const forMs = 7_500;
    const { waits, stoodStillMs } = await run(pool, loads, forMs);
    const { share } = await shares(pool, leaseMs + 600, forMs);
    for (const name of ["attack", "capec", "cwe"]) within(share[name], 1 / 3);
    const settled = waits.slice(20);
    expect(settled.length).toBeGreaterThan(100);
    expect(Math.max(...settled.map((w) => w.waitedMs))).toBeLessThan(leaseMs + stoodStillMs);
    expect(await pool.verdict()).toMatchObject({ violations: [], mostHeld: 4 });
    pool.close();
  });
});
