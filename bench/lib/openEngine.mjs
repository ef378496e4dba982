// An engine of built code in this process. Several programs that are measured consist of little else.
import { sleeper } from "../processes/sleeper.mjs";
import { fromDist } from "./places.mjs";

/** `sleeper`: its only provider is the sleeping one; else those of the registry. */
export async function openEngine({ url, settings, sleeper: plan }, { onStep } = {}) {
  const { silentLogger } = await fromDist("core/logger.js");
  const { openEngine: open } = await fromDist("engine.js");
  const { connectRedis } = await fromDist("redis/connect.js");
  const redis = await connectRedis({ url });
  const providers = plan && [sleeper(plan)];
  const engine = await open({ settings, redis, logger: silentLogger(), providers, onStep });
  const close = async () => {
    await engine.close();
    await redis.close();
  };
  /** One run, worked on in this process; then everything is closed. */
  const runOnce = async (provider, pollMs) => {
    const { runId } = await engine.openRun({ provider, mode: "full" });
    const worker = await engine.startWorker({ providers: [provider] });
    const run = await engine.waitForRun(provider, runId, { pollMs });
    await worker.stop();
    await close();
    return run;
  };
  return { engine, close, runOnce };
}
