// EPSS: hundreds of thousands of rows that nearly all change every day. Memory a row and time of a day's file.
import { fromDist, sharedData } from "../lib/places.mjs";
import { settledMemory, withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "epss";
export const method =
  "`uee run epss --full` for one day's file and then for another day's: `used_memory` after both, less that of the empty server, by rows, with all that a row has: score, index, change feed. The time is the slower of the two runs, scaled to 425,000 rows.";

const ROWS = 425_000;

export async function run(bench) {
  const real = sharedData && !bench.quick;
  const flags = real ? ["--shared-data", sharedData, "--point", "before"] : ["--cves", 4_000];
  const { makeKeys } = await fromDist("redis/keys.js");
  const measured = await withSimulator(flags, (simulator) =>
    withRedis(async (server) => {
      const empty = await settledMemory(server.redis);
      const first = await ueeRun(server, simulator, "epss");
      await simulator.setPoint("after");
      const second = await ueeRun(server, simulator, "epss");
      const bytes = (await settledMemory(server.redis)) - empty;
      const changes = await server.redis.xlen(makeKeys("uee").provider("epss").changes);
      return { rows: second.summary.fetched, bytes, changes, runs: [first.summary, second.summary] };
    }),
  );
  const { rows, bytes, changes, runs } = measured;
  const slowest = Math.max(...runs.map(({ durationMs, fetched }) => (durationMs / fetched) * ROWS));
  const label = real ? "real scores" : "generated scores";
  bench.say(`epss: ${text.bytes(bytes / rows)} a row, ${text.seconds(slowest)}`);
  return {
    data: measured,
    rows: [
      atMostRow({
        what: "memory in Redis per EPSS row, feed included",
        value: bytes / rows,
        goal: 200,
        text: text.bytes,
        note: `${rows} ${label} after two days; ${changes} entries in the change feed`,
      }),
      atMostRow({
        what: "a day of EPSS, 425,000 rows, the slower of a first load and of a day on which nearly all change",
        value: slowest,
        goal: 60_000,
        text: text.seconds,
        note: runs
          .map(({ durationMs, fetched, created, updated }) => {
            const rate = Math.round((fetched / durationMs) * 1000);
            return `${created} new and ${updated} changed of ${fetched} rows in ${text.seconds(durationMs)} (${rate}/s)`;
          })
          .join("; "),
      }),
    ],
  };
}
