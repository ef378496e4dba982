// A process that runs one provider and kills itself, by SIGKILL, at a named place: `before|after` the nth occurrence of a
// step. Built code, real engine. argv: JSON {url, prefix, provider, mode, settings, step, phase, nth}
import { silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { connectRedis } from "../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
let met = 0;
const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger: silentLogger(),
  onStep: (step, phase) => {
    if (step === plan.step && phase === plan.phase && ++met === plan.nth)
      process.kill(process.pid, "SIGKILL");
  },
});
const { runId } = await engine.openRun({ provider: plan.provider, mode: plan.mode });
const worker = await engine.startWorker();
const run = await engine.waitForRun(plan.provider, runId, { pollMs: 20 });
await worker.stop();
await engine.close();
await redis.close();
process.stdout.write(JSON.stringify(run));
