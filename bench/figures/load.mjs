// Full load through the engine, all guarantees on, against the bare loop.
import { bareLoop } from "../lib/bare.mjs";
import { cveSource } from "../lib/cves.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { ratioRow } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median } from "../lib/statistics.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "load";
export const method =
  "each pair on fresh Redis servers: the bare loop as a process of its own, timed from its first request to its last reply; then `uee run cve --full --wait --json`, its `durationMs` (run opened to run closed, verified). A first bare loop that is not counted warms the simulator.";

const inTheWay =
  "The engine's one thread is busy throughout; a profile of it: canonical bytes for the digests 24 %, collecting " +
  "garbage 14 % (a third of it the price of staying under 300 MB), JSON.parse 13 %, deflate 13 %, writing to Redis " +
  "10 %, SHA-256 5 %, zod 2 %. The bare loop pays for parsing and writing alone. Redis itself spends 0.9 s instead of " +
  "0.3 s: fences, index, change feed and marks.";

export async function run(bench) {
  const source = cveSource(bench);
  return withSimulator(source.flags, async (simulator) => {
    // One round for nothing: the simulator is warm for both.
    await withRedis((server) => bareLoop(server, simulator));
    const pairs = [];
    for (let pair = 0; pair < bench.pairs; pair++) {
      const bare = await withRedis((server) => bareLoop(server, simulator));
      const engine = await withRedis((server) => ueeRun(server, simulator, "cve"));
      if (bare.records !== engine.summary.fetched) throw new Error("the two sides loaded different numbers");
      pairs.push({ bareMs: bare.ms, engineMs: engine.summary.durationMs, records: bare.records });
      bench.say(`load ${pair + 1}: bare ${bare.ms.toFixed(0)} ms, engine ${engine.summary.durationMs} ms`);
    }
    const bareMs = median(pairs.map((pair) => pair.bareMs));
    const engineMs = median(pairs.map((pair) => pair.engineMs));
    const { records } = pairs[0];
    return {
      data: { source: source.label, records, pairs, bareMs, engineMs, ratio: bareMs / engineMs },
      rows: [
        ratioRow({
          what: "full load through the engine, against the bare loop",
          ratio: bareMs / engineMs,
          goal: 1,
          note:
            `${records} ${source.label}: engine ${perSecond(records, engineMs)}, ` +
            `bare loop ${perSecond(records, bareMs)}`,
          shortfall: inTheWay,
        }),
      ],
    };
  });
}

const perSecond = (records, ms) => `${Math.round((records / ms) * 1000)} records/s`;
