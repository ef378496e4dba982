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
  "The engine's main thread is busy throughout; a profile of it: collecting garbage 20 % (a third of it the price of " +
  "staying under 300 MB), writing to Redis 14 %, JSON.parse 11 %, joining the pieces of a page 4 %, texts to strings 4 %, " +
  "SHA-256 2 %, handing texts to the compression thread 2 %. The bare loop pays for parsing and writing alone. " +
  "Redis itself spends 0.6 s instead of 0.25 s: fences, index, change feed and marks.";

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
      pairs.push({
        bareMs: bare.ms,
        engineMs: engine.summary.durationMs,
        records: bare.records,
        bareProcessorMs: bare.processorMs,
        engineProcessorMs: engine.processorMs,
      });
      bench.say(`load ${pair + 1}: bare ${bare.ms.toFixed(0)} ms, engine ${engine.summary.durationMs} ms`);
    }
    const bareMs = median(pairs.map((pair) => pair.bareMs));
    const engineMs = median(pairs.map((pair) => pair.engineMs));
    const { records } = pairs[0];
    const processor = (key) => `${((median(pairs.map((pair) => pair[key])) / records) * 1000).toFixed(0)} µs`;
    return {
      data: { source: source.label, records, pairs, bareMs, engineMs, ratio: bareMs / engineMs },
      rows: [
        ratioRow({
          what: "full load through the engine, against the bare loop",
          ratio: bareMs / engineMs,
          goal: 1,
          note:
            `${records} ${source.label}: engine ${perSecond(records, engineMs)}, ` +
            `bare loop ${perSecond(records, bareMs)}; processor time a record, start of the command and ` +
            `compression thread included: engine ${processor("engineProcessorMs")}, bare loop ${processor("bareProcessorMs")}`,
          shortfall: inTheWay,
        }),
      ],
    };
  });
}

const perSecond = (records, ms) => `${Math.round((records / ms) * 1000)} records/s`;
