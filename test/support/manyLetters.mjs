// Lists, filters and replays dead letters, and says what it cost. argv: JSON {url, settings, plan: "nothing" | "all"}; run
// with --expose-gc. Prints {counts, baseline, peaks}: heap and resident memory in bytes, the heap after a collection.
import { readFileSync } from "node:fs";
import { silentLogger } from "../../dist/core/logger.js";
import { openEngine } from "../../dist/engine.js";
import { cve } from "../../dist/providers/cve/cve.js";
import { connectRedis } from "../../dist/redis/connect.js";

const { url, settings, most } = JSON.parse(process.argv[2]);
const redis = await connectRedis({ url });
const engine = await openEngine({ settings, redis, logger: silentLogger(), providers: [cve] });
const { deadLetters } = engine;

/** Bytes at the most this process ever had resident. */
const residentPeak = () =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
let heapPeak = 0;
const look = () => {
  globalThis.gc();
  heapPeak = Math.max(heapPeak, process.memoryUsage().heapUsed);
};
async function walk(filter) {
  let count = 0;
  let cursor;
  for (;;) {
    const page = await deadLetters.list(filter, { limit: 100, ...(cursor ? { cursor } : {}) });
    count += page.letters.length;
    if (count % 2000 === 0) look();
    if (page.cursor === null || count >= most) return count;
    cursor = page.cursor;
  }
}

// Everything once, so that code and caches are there.
await deadLetters.list({}, { limit: 100 });
await deadLetters.replay({}, { dryRun: true, limit: 200 });
look();
const before = { heap: heapPeak, resident: residentPeak() };
const times = {};
const timed = async (name, work) => {
  const started = performance.now();
  const result = await work();
  times[name] = Math.round(performance.now() - started);
  return result;
};
const listed = await timed("list", () => walk({}));
const rare = await timed("filterRare", () => walk({ code: "VAL_RECORD_ID", state: "dead" }));
const stats = await timed("stats", () => deadLetters.stats());
const onProgress = (done) => {
  if (done % 1000 === 0) look();
};
const { done } = await timed("replay", () => deadLetters.replay({}, { onProgress, limit: most }));
look();
const after = { heap: heapPeak, resident: residentPeak() };
process.stdout.write(JSON.stringify({ listed, rare, total: stats.total, done, before, after, times }));
await engine.close();
await redis.close();
process.exit(0);
