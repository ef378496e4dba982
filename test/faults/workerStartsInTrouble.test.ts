/**
 * Law 5 by way of who serves it: a worker that is started while Redis takes no writes says so with its code, by which
 * services wait for it, instead of falling over with whatever the library threw. (Found by a hunt: seed 2.)
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let uee: TestEngine;

beforeAll(async () => {
  redis = await startRedis({});
  uee = await openTestEngine(redis.url, {});
});
afterAll(async () => {
  await uee.close();
  await redis.stop();
});

test("a worker started while Redis is out of memory names the trouble, and starts once Redis is well", async () => {
  const admin = redis.client();
  await admin.config("SET", "maxmemory", "1");
  await expect(uee.engine.startWorker()).rejects.toMatchObject({ code: "SYS_REDIS_TROUBLE" });
  await admin.config("SET", "maxmemory", "0");
  const worker = await uee.engine.startWorker();
  await worker.stop();
});
