/** Law 1 (nothing lost) and law 4 (permits are never over-granted) when every word to Redis takes 200 ms. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { checkPermitLog, readPermitLog } from "../support/permitChecker.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";

/** One lease and one grace, with room for a busy machine. */
const PERMIT_BOUND_US = 25_000_000;

let redis: TestRedis;
let proxy: TcpProxy;
let run: TroubledRun;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  proxy = await startTcpProxy(redis);
  proxy.delay(100);
});
afterAll(async () => {
  await run?.close();
  await proxy.close();
  await redis.stop();
});

test("a run completes over a network with 200 ms of latency", async () => {
  run = await startTroubledRun({ redis, url: `redis://127.0.0.1:${proxy.port}`, cves: 2_400 });
  await run.end();
  const { log } = makeKeys(run.settings.prefix).permits;
  const events = readPermitLog(await redis.client().xrange(log, "-", "+"));
  expect(checkPermitLog(events, PERMIT_BOUND_US).violations).toEqual([]);
  // Slow is no trouble.
  expect(run.said("redis_trouble")).toEqual([]);
});
