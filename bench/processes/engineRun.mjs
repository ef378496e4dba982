// A full CVE load that times its own checkpoints. argv: JSON { url, settings }
import { fromDist } from "../lib/places.mjs";

const { url, settings } = JSON.parse(process.argv[2]);
const { silentLogger } = await fromDist("core/logger.js");
const { openEngine } = await fromDist("engine.js");
const { connectRedis } = await fromDist("redis/connect.js");

const began = new Map();
const spent = {};
const redis = await connectRedis({ url });
const engine = await openEngine({
  settings,
  redis,
  logger: silentLogger(),
  onStep: (step, phase, batch) => {
    const key = `${step} ${batch}`;
    if (phase === "before") began.set(key, performance.now());
    else spent[step] = (spent[step] ?? 0) + performance.now() - began.get(key);
  },
});
const { runId } = await engine.openRun({ provider: "cve", mode: "full" });
const worker = await engine.startWorker({ providers: ["cve"] });
const { state, durationMs, batches } = await engine.waitForRun("cve", runId, { pollMs: 50 });
await worker.stop();
await engine.close();
await redis.close();
process.stdout.write(JSON.stringify({ state, durationMs, batches, spent }));
