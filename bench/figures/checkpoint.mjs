// Share of a full load that its checkpoints take: from request to answer, including other work in between.
import { fileURLToPath } from "node:url";
import { cveSource } from "../lib/cves.mjs";
import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { text } from "../lib/rows.mjs";
import { engineSettings } from "../lib/settings.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median } from "../lib/statistics.mjs";

export const name = "checkpoint";
export const method =
  "a full load in a process of its own whose step observer sums the time between asking for a checkpoint and its answer; whatever else the event loop did meanwhile counts against it.";

const script = fileURLToPath(new URL("../processes/engineRun.mjs", import.meta.url));
const GOAL = 0.01;

export async function run(bench) {
  const source = cveSource(bench);
  return withSimulator(source.flags, async (simulator) => {
    const settings = await engineSettings({ ...simulator.environment, UEE_CVE_RATE: "unlimited" });
    const runs = [];
    for (let round = 0; round < bench.pairs; round++) {
      const { stdout } = await withRedis(({ url }) => runNode([script, JSON.stringify({ url, settings })]));
      const result = JSON.parse(stdout);
      if (result.state !== "complete") throw new Error(`the run ended ${stdout}`);
      runs.push({ ...result, share: result.spent.checkpoint / result.durationMs });
    }
    const share = median(runs.map((one) => one.share));
    const each = median(runs.map((one) => one.spent.checkpoint / one.batches));
    return {
      data: { source: source.label, runs, share, msEach: each },
      rows: [
        {
          what: "checkpoint cost, share of the run",
          figure: text.percent(share, 2),
          goal: `< ${text.percent(GOAL, 0)}`,
          met: share < GOAL,
          note: `${text.ms(each)} for each of ${runs[0].batches} batches, waiting behind other work included`,
        },
      ],
    };
  });
}
