// The first load of all CVEs without an NVD key, from year feeds, and the comparison with them.

import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { ueeBin, ueeEnvironment } from "../lib/uee.mjs";

export const name = "feeds";
export const method =
  "one `uee run cve --full --wait --json` on a fresh Redis, without a key and under NVD's limit without one (5 requests in 30 s), its `durationMs`; then `uee reconcile --json`. Simulator and Redis run beside it; each feed is asked for once before, so that the simulator has packed it.";

const GOAL_MS = 120_000;

export async function run(bench) {
  const cves = bench.quick ? 20_000 : 425_000;
  return withSimulator(["--cves", cves, "--nvd-rate", "5/30s"], async (simulator) => {
    const thisYear = new Date().getUTCFullYear();
    for (let year = 2002; year <= thisYear; year++) {
      await (await fetch(`${simulator.urls.feeds}/nvdcve-2.0-${year}.meta`)).text();
    }
    bench.say("feeds: packed");
    return await withRedis(async (server) => {
      const env = {
        ...ueeEnvironment(server, simulator),
        UEE_CVE_FEEDS_URL: simulator.urls.feeds,
        UEE_CVE_RATE: "5/30s",
      };
      const load = await runNode([ueeBin, "run", "cve", "--full", "--wait", "--json"], { env });
      const [summary] = JSON.parse(load.stdout).runs;
      if (summary.state !== "complete" || summary.created !== cves) throw new Error(load.stdout);
      bench.say(`feeds: loaded in ${summary.durationMs} ms, peak ${Math.round(load.peak / 1e6)} MB`);
      const { stdout, peak } = await runNode([ueeBin, "reconcile", "--json"], { env });
      const compared = JSON.parse(stdout);
      if (compared.equal !== cves || compared.checked !== cves) throw new Error(stdout);
      const violations = (await simulator.counts()).violations;
      if (violations.overLimit > 0) throw new Error(`the limit was exceeded: ${JSON.stringify(violations)}`);
      return {
        data: {
          ...{ cves, summary, reconcileMs: compared.durationMs, processorMs: load.processorMs },
          ...{ loadPeak: load.peak, reconcilePeak: peak },
        },
        rows: [
          atMostRow({
            what: `first load of ${cves.toLocaleString("en-US")} CVEs from year feeds, without an NVD key`,
            value: summary.durationMs,
            goal: GOAL_MS,
            text: text.seconds,
            note:
              `${summary.requests} requests; ${text.seconds(load.processorMs)} of the worker's processor time, its peak ${Math.round(load.peak / 1e6)} MB; comparing all of them ` +
              `with the feeds (uee reconcile): ${text.seconds(compared.durationMs)}, ${Math.round(peak / 1e6)} MB`,
          }),
        ],
      };
    });
  });
}
