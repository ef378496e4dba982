import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let uee: TestEngine | undefined;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(() => uee?.close());

test("what a dead process left of a closed run is cleaned by the next worker", async () => {
  const client = redis.client();
  uee = await openTestEngine(
    redis.url,
    {},
    {
      providers: [
        idleProvider("alpha", { batches: 2, takes: 1 }),
        idleProvider("beta", { batches: 2, takes: 1 }),
      ],
    },
  );
  const [old, young] = [await uee.run("alpha", "full"), await uee.run("beta", "full")];
  const left = (provider: string, runId: string) => {
    const keys = makeKeys("uee").provider(provider).run(runId);
    return { ...keys, slice: keys.staged("slice/0") };
  };
  for (const [provider, { runId }] of [["alpha", old] as const, ["beta", young] as const]) {
    const keys = left(provider, runId);
    await client.hset(keys.seen, "alpha-0", "c1:1");
    await client.sadd(keys.stagedNames, "slice/0");
    await client.set(keys.slice, "bytes");
  }
  // Alpha's run closed a minute ago; beta's a moment ago, so the process that closed it may still be at work.
  const minuteAgo = new Date(Date.now() - 60_000).toISOString();
  await client.hset(left("alpha", old.runId).run, "endedAt", minuteAgo);
  await uee.engine.startWorker();
  const { seen, stagedNames, slice } = left("alpha", old.runId);
  await until(async () => (await client.exists(seen, stagedNames, slice)) === 0);
  expect(await client.exists(left("beta", young.runId).slice)).toBe(1);
});
