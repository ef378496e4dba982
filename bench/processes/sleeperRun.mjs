// One run of the sleeping provider. argv: JSON { url, settings, sleeper }
import { fromDist } from "../lib/places.mjs";
import { sleeper } from "./sleeper.mjs";

const plan = JSON.parse(process.argv[2]);
const { silentLogger } = await fromDist("core/logger.js");
const { openEngine } = await fromDist("engine.js");
const { connectRedis } = await fromDist("redis/connect.js");

const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger: silentLogger(),
  providers: [sleeper(plan.sleeper)],
});
const { runId } = await engine.openRun({ provider: "sleeper", mode: "full" });
const worker = await engine.startWorker();
const { state, durationMs, requests } = await engine.waitForRun("sleeper", runId, { pollMs: 20 });
await worker.stop();
await engine.close();
await redis.close();
process.stdout.write(JSON.stringify({ state, durationMs, requests }));
