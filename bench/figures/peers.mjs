// The whole command against a plain script that writes one JSON file a record, as the fastest mirrors of NVD do.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cveSource } from "../lib/cves.mjs";
import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { ratioRow } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median } from "../lib/statistics.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "peers";
export const method =
  "wall time of whole commands, from their start to their end, alternating: `uee run cve --full --wait` on a fresh Redis, all guarantees on, and a plain script that fetches the same pages and writes one JSON file a record (`bench/processes/fileWriter.mjs`).";

const script = fileURLToPath(new URL("../processes/fileWriter.mjs", import.meta.url));

const inTheWay =
  "A command loads a bundle before its first request, and a record is checked, compared, compressed, fenced and " +
  "counted before it is stored; Redis works on a second core.";

export async function run(bench) {
  const source = cveSource(bench);
  const rows = [];
  const data = {};
  for (const gzip of [true, false]) {
    const said = gzip ? "answers gzipped" : "answers not compressed";
    const pairs = await withSimulator(
      source.flags,
      async (simulator) => {
        await writeFiles(simulator);
        const measured = [];
        for (let pair = 0; pair < bench.pairs; pair++) {
          const files = await writeFiles(simulator);
          const engine = await withRedis((server) => ueeRun(server, simulator, "cve"));
          if (files.records !== engine.summary.fetched)
            throw new Error("the two sides loaded different numbers");
          const { durationMs } = engine.summary;
          measured.push({
            filesMs: files.ms,
            engineMs: engine.wallMs,
            runMs: durationMs,
            records: files.records,
          });
          bench.say(
            `peers ${pair + 1}, ${said}: files ${files.ms.toFixed(0)} ms, engine ${engine.wallMs.toFixed(0)} ms`,
          );
        }
        return measured;
      },
      { gzip },
    );
    const [filesMs, engineMs, runMs] = ["filesMs", "engineMs", "runMs"].map((key) =>
      median(pairs.map((pair) => pair[key])),
    );
    const { records } = pairs[0];
    data[gzip ? "gzip" : "plain"] = { source: source.label, pairs, filesMs, engineMs };
    rows.push(
      ratioRow({
        what: `the whole command against a script that writes a file a record, ${said}`,
        ratio: filesMs / engineMs,
        goal: 1,
        note:
          `${records} ${source.label}: engine ${perSecond(records, engineMs)}, script ${perSecond(records, filesMs)}; ` +
          `${Math.round(engineMs - runMs)} ms of the command are before and after its run`,
        shortfall: inTheWay,
      }),
    );
  }
  return { data, rows };
}

const perSecond = (records, ms) => `${Math.round((records / ms) * 1000)} records/s`;

async function writeFiles(simulator) {
  const folder = await mkdtemp(join(tmpdir(), "uee-bench-files-"));
  try {
    const { stdout, wallMs } = await runNode([script, folder, simulator.urls.cve]);
    return { ms: wallMs, records: JSON.parse(stdout).records };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
