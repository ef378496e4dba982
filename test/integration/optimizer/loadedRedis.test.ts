/** Once for real: a Redis that is kept busy makes control operations slow, permits go, and come back when it is left alone. */
import { expect, test } from "@jest/globals";
import { silentLogger } from "../../../src/core/logger.ts";
import { OptimizerService } from "../../../src/permits/optimizer/optimizerService.ts";
import { quotaEvents } from "../../../src/permits/optimizer/quotaEvents.ts";
import { loadScript } from "../../../src/redis/scripts.ts";
import { startRedis } from "../../support/redisServer.ts";
import { freshKeys, metricsReader, PoolInMemory, reporter } from "./support.ts";

const beat = loadScript(new URL("../../../src/recovery/lua/beat-3.lua", import.meta.url));
const INTERVAL_MS = 60_000;

test("permits are revoked while Redis is overloaded and all given back when it is well", async () => {
  const server = await startRedis({ args: ["--enable-debug-command", "yes"] });
  try {
    const keys = freshKeys();
    const [redis, rival] = [server.client(), server.client()];
    const pool = new PoolInMemory();
    const worker = reporter(redis, keys);
    const service = new OptimizerService({
      redis,
      keys,
      pool: pool.pool,
      metrics: metricsReader(redis, keys, pool),
      logger: silentLogger(),
      actor: "w-1",
      settings: { intervalMs: INTERVAL_MS, coolDownMs: 3 * INTERVAL_MS },
    });
    // A check's worth of control operations, then the check; the clock of the memory is moved on by one interval.
    const round = async (loaded: boolean) => {
      const busy = loaded ? Array.from({ length: 5 }, () => rival.call("DEBUG", "SLEEP", "0.06")) : [];
      const operate = () =>
        beat.run(redis, [keys.workers, keys.workerFacts, keys.workerBeats], ["w-1", "{}", 1_000, 1_000, "1"]);
      for (let i = 0; i < 20; i++) await worker.timed(operate);
      await Promise.all(busy);
      await worker.runOnce();
      const result = await service.runOnce();
      const { checkedAtMs = "0", coolUntilMs = "0" } = await redis.hgetall(keys.optimizer);
      await redis.hset(keys.optimizer, {
        checkedAtMs: Number(checkedAtMs) - INTERVAL_MS,
        coolUntilMs: Number(coolUntilMs) - INTERVAL_MS,
      });
      return result;
    };

    // A machine under load of its own may be slow by itself: what is awaited is the turn, not the number of rounds.
    const until = async (done: () => boolean, loaded: boolean) => {
      for (let rounds = 0; !done(); rounds++) {
        if (rounds === 200) throw new Error(`nothing came of it: ${JSON.stringify(pool)}`);
        await round(loaded);
      }
    };
    await until(() => pool.effective < 10, true);
    expect(pool.asked[0]).toMatch(/^revoke 2: p99 \d+\.\d ms > 30 ms, 2 in a row: 2 of 10 revoked$/);
    await until(() => pool.effective === 10, false);
    const { entries } = await quotaEvents(redis, keys, { limit: 100 });
    expect(entries[0]).toMatchObject({ kind: "restore", size: 10 });
    expect(entries.at(-1)).toMatchObject({ kind: "revoke", effective: 10, allocated: 10 });
  } finally {
    await server.stop();
  }
});
