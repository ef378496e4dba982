// `--full` re-sync of unchanged data against the bare loop; and that it writes no byte of any record.
import { bareLoop } from "../lib/bare.mjs";
import { cveSource } from "../lib/cves.mjs";
import { fromDist } from "../lib/places.mjs";
import { infoNumber, withRedis } from "../lib/redisServer.mjs";
import { ratioRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median } from "../lib/statistics.mjs";
import { storeDigest } from "../lib/storeDigest.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "resync";
export const method =
  "a store loaded once; each pair is a bare loop on a fresh Redis, then `uee run cve --full` over the unchanged data. Then one more re-sync is watched: a digest over all record hashes and their index before and after, the change feed's length, the growth of the append-only file, and the bytes that the engine's own batch lines report.";

const inTheWay =
  "A page is neither parsed nor read where its texts are stored. The start takes nearly half of the command's 1.4 s of processor time " +
  "by samples. Within the run the main thread takes 16 µs a record (our code and V8's built-in functions 32 %, kernel: " +
  "sockets and page faults 18 %, SHA-256 12 %, collecting garbage 7 %, compiling 6 %, search for the records' beginnings 5 %), and V8's own threads " +
  "as much again: a run this short ends while its code is still being compiled. The first page takes about 0.13 s: " +
  "the others are planned from it, and its code is cold. The end takes about 0.05 s, of which 0.03 s look for records " +
  "that the run has not seen.";

export async function run(bench) {
  const source = cveSource(bench);
  const { makeKeys } = await fromDist("redis/keys.js");
  const keys = makeKeys("uee").provider("cve");
  return withSimulator(source.flags, (simulator) =>
    withRedis(async (server) => {
      const { summary } = await ueeRun(server, simulator, "cve");
      const records = summary.fetched;
      const pairs = [];
      for (let pair = 0; pair < bench.pairs; pair++) {
        const bare = await withRedis(async (other) => {
          const load = await bareLoop(other, simulator);
          return {
            load: load.ms,
            processorMs: load.processorMs,
            again: bench.quick ? null : (await bareLoop(other, simulator)).ms,
          };
        });
        const engine = await ueeRun(server, simulator, "cve");
        if (engine.summary.unchanged !== records) throw new Error("the re-sync found changes");
        pairs.push({
          bareMs: bare.load,
          bareAgainMs: bare.again,
          engineMs: engine.summary.durationMs,
          bareProcessorMs: bare.processorMs,
          engineProcessorMs: engine.processorMs,
        });
        bench.say(
          `resync ${pair + 1}: bare ${bare.load.toFixed(0)} ms, engine ${engine.summary.durationMs} ms`,
        );
      }
      const proof = await prove(server, simulator, keys);
      const bareMs = median(pairs.map((pair) => pair.bareMs));
      const engineMs = median(pairs.map((pair) => pair.engineMs));
      const processor = (key) =>
        `${((median(pairs.map((pair) => pair[key])) / records) * 1000).toFixed(0)} µs`;
      const again = bench.quick
        ? ""
        : `; against a bare loop over records that are there already ${text.times(median(pairs.map((pair) => pair.bareAgainMs)) / engineMs)}`;
      return {
        data: { source: source.label, records, pairs, bareMs, engineMs, ratio: bareMs / engineMs, proof },
        rows: [
          ratioRow({
            what: "`--full` re-sync of unchanged data, against the bare loop",
            ratio: bareMs / engineMs,
            goal: 4,
            note: `${records} ${source.label}, ${Math.round((records / engineMs) * 1000)} records/s${again}; processor time a record, start of the command included: engine ${processor("engineProcessorMs")}, bare loop ${processor("bareProcessorMs")}`,
            shortfall: inTheWay,
          }),
          {
            what: "record bytes written by that re-sync",
            figure: text.bytes(proof.recordBytes),
            goal: "0 B",
            met: proof.recordBytes === 0 && proof.same,
            note:
              `digest over all record hashes and their index before and after: ${proof.same ? "equal" : "DIFFERENT"}; ` +
              `${proof.changeEntries} change entries; the append-only file grew by ` +
              `${(proof.appendedBytes / records).toFixed(0)} B a record (marks of the run, jobs)`,
          },
        ],
      };
    }),
  );
}

/** One more re-sync, watched from outside (digests, append-only file) and by the engine's own count. */
async function prove({ redis, ...server }, simulator, keys) {
  const before = await storeDigest(redis, keys);
  const appended = await infoNumber(redis, "aof_current_size");
  const { written } = await ueeRun(server, simulator, "cve", { countBytes: true });
  const after = await storeDigest(redis, keys);
  return {
    recordBytes: written,
    same: before.digest === after.digest && before.records === after.records,
    changeEntries: after.changes - before.changes,
    appendedBytes: (await infoNumber(redis, "aof_current_size")) - appended,
  };
}
