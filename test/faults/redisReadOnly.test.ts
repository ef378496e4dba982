/**
 * Law 1 (nothing lost) and law 4 (permits are never over-granted) over a Redis that becomes a replica in mid-run: first of
 * no master, for a while; then in a failover, behind an address that then leads to the new master. Nothing is fetched while
 * writes are refused, no attempt is spent, and work goes on by itself.
 */
import { afterEach, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcpProxy.ts";
import { openTestEngine } from "../support/testEngine.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

let run: TroubledRun | undefined;
let proxy: TcpProxy | undefined;
const servers: TestRedis[] = [];

const server = async (): Promise<TestRedis> => {
  const redis = await startRedis({ appendonly: true });
  servers.push(redis);
  return redis;
};

afterEach(async () => {
  await run?.close();
  await proxy?.close();
  for (const redis of servers.splice(0)) await redis.stop();
});

test("a run in mid-run outlasts a Redis that is read-only for a while", async () => {
  const redis = await server();
  run = await startTroubledRun({ redis });
  const admin = redis.client();
  await admin.replicaof("127.0.0.1", 1);
  await run.everyoneKnows();
  const asked = run.requests();
  const uee = await openTestEngine(redis.url, run.settings);
  expect((await uee.engine.status()).redis.trouble).toMatch(/replica/);
  await uee.close();
  expect(run.requests()).toBe(asked);
  await admin.replicaof("NO", "ONE");
  await run.end();
  // Each look reconnects, to find a new master: that is no news.
  expect(run.said("redis_trouble").length).toBe(run.workers.length);
});

test("a run in mid-run goes on at the new master after a failover", async () => {
  const [old, next] = [await server(), await server()];
  await next.client().replicaof("127.0.0.1", old.port);
  proxy = await startTcpProxy(old);
  const url = `redis://127.0.0.1:${proxy.port}`;
  run = await startTroubledRun({ redis: { url }, url });
  const admin = old.client();
  await until(async () => /slave0:.*state=online/.test(await admin.info("replication")));
  await admin.call("FAILOVER", "TO", "127.0.0.1", String(next.port));
  await until(async () => /role:master/.test(await next.client().info("replication")));
  // The address follows only now: until then its users meet a replica.
  proxy.retarget(next);
  await run.end();
  expect(Number(await next.client().hget(`{${run.settings.prefix}:cve}:meta`, "live"))).toBeGreaterThan(0);
});
