/** An engine of its own for a test: real Redis, production code, waits scaled down. */
import { silentLogger } from "../../src/core/logger.js";
import { openEngine } from "../../src/engine.js";
import { connectRedis } from "../../src/redis/connect.js";
export const testSettings = (over = {}) => ({
  prefix: "uee",
  providers: {},
  concurrency: 2,
  inflightBytes: 24 * 1024 * 1024,
  waitScale: 0.001,
  changesLimit: 1_000_000,
  timeouts: { connectMs: 2_000, headersMs: 5_000, idleMs: 5_000, totalMs: 30_000 },
  ...over,
});
export async function openTestEngine(url, settings, more = {}) {
  const redis = await connectRedis({ url });
  const engine = await openEngine({
    settings: testSettings(settings),
    redis,
    logger: silentLogger(),
    ...more,
  });
  return {
    engine,
    redis,
    async run(provider, mode = "incremental", options = {}) {
      const { runId } = await engine.openRun({ provider, mode, ...options });
      const worker = await engine.startWorker();
      try {
        return await engine.waitForRun(provider, runId, { pollMs: 20 });
      } finally {
        await worker.stop();
      }
    },
    async close() {
      await engine.close();
      await redis.close();
    },
  };
}
/** All of a provider as `export` gives it: id → data. */
export async function exported(engine, provider) {
  const found = new Map();
  for await (const record of engine.records.export(provider, { allowPartial: true })) {
    found.set(record.id, record.data);
  }
  return found;
}
