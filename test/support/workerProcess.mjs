// A worker process of built code: works until it is killed or told to stop. argv: JSON {url, settings, stopAt?: {step,
// phase, nth}, logs?}; with stopAt it freezes itself (SIGSTOP) at that place. Prints one line when it takes batches; with
// logs its log lines, as {"log": …}.
import { makeLogger, silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { connectRedis } from "../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
let met = 0;
const logger = plan.logs
  ? makeLogger({ destination: { write: (line) => process.stdout.write(`{"log":${line.trim()}}\n`) } })
  : silentLogger();
const redis = await connectRedis({ url: plan.url });
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger,
  onStep: (step, phase, batch) => {
    process.stdout.write(`${JSON.stringify({ step, phase, batch })}\n`);
    const at = plan.stopAt;
    if (at && step === at.step && phase === at.phase && ++met === at.nth)
      process.kill(process.pid, "SIGSTOP");
  },
});
const worker = await engine.startWorker();
process.stdout.write(`${JSON.stringify({ ready: worker.id })}\n`);
process.on("SIGTERM", () => {
  void worker
    .stop()
    .then(() => engine.close())
    .then(() => redis.close())
    .then(() => process.exit(0));
});
