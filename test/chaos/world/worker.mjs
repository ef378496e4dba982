// A worker of a hunt: built code, the real engine, served as `uee worker` serves it. argv: JSON {url, name, settings}. Says
// on stdout, a JSON line each, when it takes batches and every step; its log goes to stderr. Orders come on stdin:
// {"arm": {signal, step, phase}} strikes this very process when it next reaches that place; {"disarm": true}.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { isUeeError } from "../../../dist/core/errors.js";
import { makeLogger } from "../../../dist/core/logger.js";
import { openEngine } from "../../../dist/engine.js";
import { connectRedis } from "../../../dist/redis/connect.js";

const plan = JSON.parse(process.argv[2]);
const say = (facts) => process.stdout.write(`${JSON.stringify(facts)}\n`);
const logger = makeLogger({ level: "debug" });
let armed;

createInterface({ input: process.stdin })
  .on("line", (line) => {
    armed = JSON.parse(line).arm;
  })
  // The hunt is gone and cannot end this process.
  .on("close", () => process.exit(1));

const told = new AbortController();
const stopped = new Promise((resolve) => told.signal.addEventListener("abort", resolve));
process.on("SIGTERM", () => told.abort());

function onStep(step, phase, batch) {
  say({ step, phase, batch });
  if (armed?.step !== step || armed.phase !== phase) return;
  const { signal } = armed;
  armed = undefined;
  say({ struck: signal });
  process.kill(process.pid, signal);
}

async function serve() {
  const redis = await connectRedis({
    url: plan.url,
    name: plan.name,
    timeoutMs: Number.POSITIVE_INFINITY,
    signal: told.signal,
  });
  try {
    const engine = await openEngine({ settings: plan.settings, redis, logger, onStep });
    try {
      const worker = await engine.startWorker({ schedules: true, signal: told.signal });
      say({ ready: worker.id });
      await stopped;
      await worker.stop({ deadlineMs: 25_000 });
    } finally {
      await engine.close();
    }
  } finally {
    await redis.close();
  }
}

while (!told.signal.aborted) {
  try {
    await serve();
  } catch (error) {
    if (told.signal.aborted) break;
    // Redis went away between connecting and taking batches; the worker waits for it again.
    if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
    await sleep(1_000, undefined, { signal: told.signal }).catch(() => {});
  }
}
process.exit(0);
