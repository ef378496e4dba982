// Peak resident memory (VmHWM) of the working process: `bin/uee run` with production defaults.
import { sharedData } from "../lib/places.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { ueeRun } from "../lib/uee.mjs";

export const name = "rss";
export const method =
  "`VmHWM` of `/proc/<pid>/status`, read until `uee run … --full --wait` ends; the greatest of the process and its children.";

const GOAL = 300e6;

function scenarios({ quick }) {
  const attack = sharedData
    ? {
        title: "ATT&CK, real (Enterprise 17.1 and both others)",
        flags: ["--shared-data", sharedData, "--point", "after"],
      }
    : { title: "ATT&CK, 25,000 generated objects", flags: ["--attack-objects", 25_000] };
  const many = quick ? [3_000, 12_000] : [100_000, 250_000, 500_000];
  const large = quick ? 300 : 4_000;
  return [
    ...many.map((cves) => ({
      title: `${cves.toLocaleString("en")} generated CVEs`,
      provider: "cve",
      flags: ["--cves", cves, "--extremes"],
      proportional: true,
    })),
    { ...attack, provider: "attack" },
    {
      title: `${large.toLocaleString("en")} CVEs of 100 KB, asked for in pages of 2,000`,
      provider: "cve",
      flags: ["--cves", large, "--record-bytes", 100_000, "--extremes"],
    },
  ];
}

export async function run(bench) {
  const runs = [];
  for (const { title, provider, flags, proportional = false } of scenarios(bench)) {
    const { summary, peak, wallMs } = await withSimulator(flags, (simulator) =>
      withRedis((server) => ueeRun(server, simulator, provider)),
    );
    runs.push({
      title,
      provider,
      proportional,
      peak,
      wallMs,
      fetched: summary.fetched,
      durationMs: summary.durationMs,
    });
    bench.say(`rss: ${title}: ${text.mb(peak)}, ${text.seconds(summary.durationMs)}`);
  }
  return {
    data: { runs },
    rows: [
      ...runs.map(({ title, peak, fetched, durationMs }) =>
        atMostRow({
          what: `peak resident memory of a worker: ${title}`,
          value: peak,
          goal: GOAL,
          text: text.mb,
          note: `${fetched.toLocaleString("en")} records in ${text.seconds(durationMs)}`,
        }),
      ),
      growth(runs.filter(({ proportional }) => proportional)),
    ],
  };
}

/** How much longer a record takes in the largest of these loads than in the smallest. */
function growth(runs) {
  const perRecord = runs.map(({ durationMs, fetched }) => durationMs / fetched);
  return atMostRow({
    what: "time of a record, the largest of these loads of generated CVEs against the smallest",
    value: perRecord.at(-1) / perRecord[0],
    goal: 1.25,
    text: text.times,
    note: runs
      .map(({ fetched, durationMs }) => `${fetched.toLocaleString("en")} in ${text.seconds(durationMs)}`)
      .join(", "),
  });
}
