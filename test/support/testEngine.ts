/** An engine of its own for a test: real Redis, production code, waits scaled down. */
import { silentLogger } from "../../src/core/logger.ts";
import type { Engine, RunProgress } from "../../src/engine/api.ts";
import { type EngineSettings, type OpenEngineOptions, openEngine } from "../../src/engine.ts";
import type { RunMode } from "../../src/providers/contract.ts";
import { connectRedis, type RedisConnections } from "../../src/redis/connect.ts";

export interface TestEngine {
  engine: Engine;
  redis: RedisConnections;
  /** Opens a run, works it off in this process and waits for its end. */
  run(
    provider: string,
    mode?: RunMode,
    options?: { allowShrink?: boolean; allowOlder?: boolean },
  ): Promise<RunProgress>;
  close(): Promise<void>;
}

export const testSettings = (over: Partial<EngineSettings> = {}): EngineSettings => ({
  prefix: "uee",
  providers: {},
  concurrency: 2,
  inflightBytes: 24 * 1024 * 1024,
  waitScale: 0.001,
  changesLimit: 1_000_000,
  timeouts: { connectMs: 2_000, headersMs: 5_000, idleMs: 5_000, totalMs: 30_000 },
  ...over,
});

export async function openTestEngine(
  url: string,
  settings: Partial<EngineSettings>,
  more: Partial<OpenEngineOptions> = {},
): Promise<TestEngine> {
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
export async function exported(engine: Engine, provider: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const record of engine.records.export(provider, { allowPartial: true })) {
    found.set(record.id, record.data);
  }
  return found;
}
