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
  "Engine, Redis and simulator share two cores, so every thread counts. A profile of the command's 3.5 s of processor time " +
  "by samples: main thread 44 % (its start is a quarter of that), compression thread 28 %, V8's own threads 28 % (compiling " +
  "hot code, marking and sweeping garbage). The main thread within the run takes 48 µs a record: our code and V8's built-in " +
  "functions 32 %, JSON.parse 15 %, kernel (sockets, page faults) 11 %, strings 8 %, collecting garbage 5 %, SHA-256 4 %. The compression " +
  "thread takes 42 µs a record, of which 15 µs set up zlib and 5 µs load the dictionary; neither a lower level nor a " +
  "smaller window is faster. The bare loop pays for parsing and writing alone. Redis itself spends 0.6 s instead of " +
  "0.25 s: fences, index, change feed and marks.";

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
