// A worker process of built code: works until it is killed or told to stop. argv: JSON {url, settings, stopAt?: {step,
// phase, nth}, diesAt?: key of a batch[], logs?, host?}; with stopAt it freezes itself (SIGSTOP) at that place; with diesAt it
// kills itself (SIGKILL) when it has fetched one of these batches; with host it believes to run on another
// machine of that name. Prints one line when it takes batches; with logs its log lines, as {"log": …}.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

const plan = JSON.parse(process.argv[2]);
if (plan.host) {
  const { readFileSync } = fs;
  const bootId = "/proc/sys/kernel/random/boot_id";
  fs.readFileSync = (path, ...rest) => (path === bootId ? plan.host : readFileSync(path, ...rest));
  os.hostname = () => plan.host;
  syncBuiltinESMExports();
}
// After that: a process asks once on which machine it runs.
const { makeLogger, silentLogger } = await import("../../dist/core/logger.js");
const { openEngine } = await import("../../dist/engine.js");
const { connectRedis } = await import("../../dist/redis/connect.js");
let met = 0;
const logger = plan.logs
  ? makeLogger({ destination: { write: (line) => process.stdout.write(`{"log":${line.trim()}}\n`) } })
  : silentLogger();
const redis = await connectRedis({
  url: plan.url,
  onState: (state) => logger.info({ event: `redis_${state}` }, `the connection to Redis is ${state}`),
});
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger,
  onStep: (step, phase, batch) => {
    process.stdout.write(`${JSON.stringify({ step, phase, batch, at: Date.now() })}\n`);
    const at = plan.stopAt;
    if (at && step === at.step && phase === at.phase && ++met === at.nth)
      process.kill(process.pid, "SIGSTOP");
    if (step === "fetch" && phase === "after" && plan.diesAt?.includes(batch))
      process.kill(process.pid, "SIGKILL");
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
