// An engine of the sleeping provider in this process, to open its runs.
import { sleeper } from "../processes/sleeper.mjs";
import { fromDist } from "./places.mjs";

export async function openSleeperEngine(url, settings, plan) {
  const { silentLogger } = await fromDist("core/logger.js");
  const { openEngine } = await fromDist("engine.js");
  const { connectRedis } = await fromDist("redis/connect.js");
  const redis = await connectRedis({ url });
  const engine = await openEngine({ settings, redis, logger: silentLogger(), providers: [sleeper(plan)] });
  return {
    openRun: (request) => engine.openRun(request),
    close: async () => {
      await engine.close();
      await redis.close();
    },
  };
}
