// A worker of a hunt: built code, the real engine. argv: JSON {url, name, settings}. Says on stdout, a JSON line each, when
// it takes batches and every step; its log goes to stderr. Orders come on stdin: {"arm": {signal, step, phase}} strikes
// this very process when it next reaches that place; {"disarm": true}.
import { createInterface } from "node:readline";
import { makeLogger } from "../../../dist/core/logger.js";
import { openEngine } from "../../../dist/engine.js";
import { connectRedis } from "../../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
const say = (facts) => process.stdout.write(`${JSON.stringify(facts)}\n`);
let armed;

createInterface({ input: process.stdin })
  .on("line", (line) => {
    armed = JSON.parse(line).arm;
  })
  // The hunt is gone: nobody would end us.
  .on("close", () => process.exit(1));

const redis = await connectRedis({ url: plan.url, name: plan.name, timeoutMs: Number.POSITIVE_INFINITY });
const engine = await openEngine({
  settings: plan.settings,
  redis,
  logger: makeLogger({ level: "debug" }),
  onStep: (step, phase, batch) => {
    say({ step, phase, batch });
    if (armed?.step !== step || armed.phase !== phase) return;
    const { signal } = armed;
    armed = undefined;
    say({ struck: signal });
    process.kill(process.pid, signal);
  },
});
let worker;
let told = false;
const leave = async () => {
  await worker?.stop();
  await engine.close();
  await redis.close();
  process.exit(0);
};
process.on("SIGTERM", () => {
  told = true;
  if (worker) void leave();
});
worker = await engine.startWorker();
say({ ready: worker.id });
if (told) void leave();
