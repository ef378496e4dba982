// Redis memory per CVE, including index, content and change feed, compared with the bare loop.
import { bareLoop } from "../lib/bare.mjs";
import { cveSource } from "../lib/cves.mjs";
import { settledMemory, withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "memory";
export const method =
  "`used_memory` before the load and after the run is closed and all lazy frees are through, by records; content, index and change feed included.";

/** CVEs that NVD has. */
const ALL_CVES = 500_000;

export async function run(bench) {
  const source = cveSource(bench);
  return withSimulator(source.flags, async (simulator) => {
    const measured = (load) =>
      withRedis(async (server) => {
        const empty = await settledMemory(server.redis);
        const records = await load(server);
        return { records, bytes: ((await settledMemory(server.redis)) - empty) / records };
      });
    const engine = await measured(async (server) => (await ueeRun(server, simulator, "cve")).summary.fetched);
    const bare = await measured(async (server) => (await bareLoop(server, simulator)).records);
    const all = engine.bytes * ALL_CVES;
    return {
      data: {
        source: source.label,
        engine,
        bare,
        projectedBytes: all,
        bareProjectedBytes: bare.bytes * ALL_CVES,
      },
      rows: [
        atMostRow({
          what: "memory in Redis per CVE, everything included",
          value: engine.bytes,
          goal: 1600,
          text: text.bytes,
          note:
            `${engine.records} ${source.label}; 500,000 CVEs: ${text.mb(all)}. ` +
            `The bare loop: ${text.bytes(bare.bytes)}, ${text.mb(bare.bytes * ALL_CVES)}`,
        }),
      ],
    };
  });
}
