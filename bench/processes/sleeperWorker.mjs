// A worker of the sleeping provider until it is killed; prints a line when it is ready and one at every step.
// argv: JSON { url, settings, sleeper }
import { writeSync } from "node:fs";
import { fromDist } from "../lib/places.mjs";
import { sleeper } from "./sleeper.mjs";

const plan = JSON.parse(process.argv[2]);
const { silentLogger } = await fromDist("core/logger.js");
const { openEngine } = await fromDist("engine.js");
const { connectRedis } = await fromDist("redis/connect.js");

// Written at once and completely, so that no line is lost by a kill.
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger: silentLogger(),
  providers: [sleeper(plan.sleeper)],
  onStep: (step, phase, batch) => say({ step, phase, batch }),
});
const worker = await engine.startWorker();
say({ ready: worker.id });
process.once("SIGTERM", async () => {
  await worker.stop();
  await engine.close();
  await redis.close();
  process.exit(0);
});
