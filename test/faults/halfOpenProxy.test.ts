/**
 * Law 1 (nothing lost) and law 2 (nothing stale) over a network that swallows packets without closing anything. A
 * connection of which nothing is heard is given up; what was under way may or may not have run.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";

let redis: TestRedis;
let proxy: TcpProxy;
let run: TroubledRun | undefined;

beforeEach(async () => {
  redis = await startRedis({ appendonly: true });
  proxy = await startTcpProxy(redis);
});
afterEach(async () => {
  await run?.close();
  await proxy.close();
  await redis.stop();
});

const throughProxy = () => ({ redis, url: `redis://127.0.0.1:${proxy.port}` });

test("a run in mid-run outlasts a network that swallows everything for a while", async () => {
  run = await startTroubledRun(throughProxy());
  proxy.swallow();
  await sleep(2_000);
  const asked = run.requests();
  await sleep(2_000);
  expect(run.requests()).toBe(asked);
  proxy.heal();
  await run.end();
});

test("a run in mid-run outlasts connections that are half open for ever", async () => {
  run = await startTroubledRun(throughProxy());
  const before = proxy.accepted;
  proxy.strand();
  await run.end();
  expect(proxy.accepted).toBeGreaterThan(before);
});
