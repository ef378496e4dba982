/**
 * Laws 1, 2, 4 and 5 over a Redis that is away in mid-run for longer than locks and leases live: nothing is fetched
 * meanwhile, no attempt is spent, no permit is over-granted, and the run completes by itself. The time away is not waited
 * for: Redis' clock is set forward by it.
 */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { describeWithFakeClock } from "../support/describeWithFakeClock.ts";
import { checkPermitLog, readPermitLog } from "../support/permitChecker.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

/** One lease and one grace, with room for a busy machine. */
const PERMIT_BOUND_US = 25_000_000;

describeWithFakeClock("a run in mid-run outlasts", () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let run: TroubledRun;

  beforeEach(async () => {
    redis = await startRedis({ appendonly: true, fakeClock: true });
    proxy = await startTcpProxy(redis);
    run = await startTroubledRun({ redis, url: `redis://127.0.0.1:${proxy.port}` });
  });
  afterEach(async () => {
    await run?.close();
    await proxy.close();
    await redis.stop();
  });

  test.each<[string, { go(): unknown; forMs: number; back(): unknown }]>([
    [
      "a Redis that is gone for 30 s and comes back from its append-only file",
      { go: () => redis.kill("SIGKILL"), forMs: 30_000, back: () => redis.restart() },
    ],
    [
      "a Redis that stands still for 14 s",
      { go: () => redis.kill("SIGSTOP"), forMs: 14_000, back: () => redis.kill("SIGCONT") },
    ],
    [
      "a network that swallows everything for 14 s and closes nothing",
      { go: () => proxy.swallow(), forMs: 14_000, back: () => proxy.heal() },
    ],
  ])("%s", async (_what, { go, forMs, back }) => {
    await go();
    await run.everyoneKnows();
    const asked = run.requests();
    const tries = proxy.accepted;
    await until(() => proxy.accepted >= tries + 3 * run.workers.length);
    expect(run.requests()).toBe(asked);
    redis.setClock(forMs);
    await back();
    await run.end();
    const { log } = makeKeys(run.settings.prefix).permits;
    const verdict = checkPermitLog(
      readPermitLog(await redis.client().xrange(log, "-", "+")),
      PERMIT_BOUND_US,
    );
    expect(verdict.violations).toEqual([]);
    expect(verdict.grants).toBeGreaterThan(0);
    const warnings = run.workers.flatMap(({ logs }) => logs).filter(({ level }) => level >= 40);
    expect(warnings.length).toBeLessThan(10);
  });

  test("connections that are half open without end", async () => {
    const before = proxy.accepted;
    proxy.strand();
    await run.end();
    expect(proxy.accepted).toBeGreaterThan(before);
  });
});
