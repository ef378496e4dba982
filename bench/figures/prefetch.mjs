// Prefetch: wall time of slices that take 300 ms to fetch and 300 ms to work, with the next one fetched meanwhile,
// against one after the other.
import { fileURLToPath } from "node:url";
import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { text } from "../lib/rows.mjs";
import { engineSettings } from "../lib/settings.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median, sum } from "../lib/statistics.mjs";

export const name = "prefetch";
export const method =
  "a provider made for it, whose upstream answers after 300 ms and whose `transform` takes 300 ms a slice; `UEE_CONCURRENCY` 1 against the default 2; the server counts requests over its limit.";

const script = fileURLToPath(new URL("../processes/sleeperRun.mjs", import.meta.url));
const GOAL = 0.65;

export async function run(bench) {
  const batches = bench.quick ? 6 : 12;
  // The upstream enforces the provider's rate; a throttled request would show in the wall time too.
  const flags = ["--cves", 100, "--latency-ms", 300, "--nvd-rate", "50/30s"];
  const one = (concurrency) =>
    withSimulator(flags, (simulator) =>
      withRedis(async ({ url }) => {
        const settings = await engineSettings({ UEE_CONCURRENCY: String(concurrency) });
        const sleeper = { batches, fetchMs: 300, workMs: 300, records: 30, address: simulator.urls.cve };
        const { stdout } = await runNode([script, JSON.stringify({ url, settings, sleeper })]);
        const result = JSON.parse(stdout);
        if (result.state !== "complete") throw new Error(`the run ended ${stdout}`);
        const counts = await simulator.counts();
        return {
          ms: result.durationMs,
          requests: counts.requests.cve,
          violations: sum(Object.values(counts.violations)),
        };
      }),
    );
  const pairs = [];
  for (let pair = 0; pair < bench.pairs; pair++) {
    pairs.push({ serial: await one(1), prefetching: await one(2) });
    const { serial, prefetching } = pairs.at(-1);
    bench.say(`prefetch ${pair + 1}: serial ${serial.ms} ms, prefetching ${prefetching.ms} ms`);
  }
  const serialMs = median(pairs.map(({ serial }) => serial.ms));
  const prefetchMs = median(pairs.map(({ prefetching }) => prefetching.ms));
  const violations = sum(pairs.map(({ serial, prefetching }) => serial.violations + prefetching.violations));
  const ratio = prefetchMs / serialMs;
  return {
    data: { batches, pairs, serialMs, prefetchMs, ratio, violations },
    rows: [
      {
        what: "prefetch: wall time of 300 ms fetch + 300 ms work, against serial",
        figure: text.times(ratio),
        goal: `≤ ${text.times(GOAL)}`,
        met: ratio <= GOAL && violations === 0,
        note:
          `${batches} slices: ${text.seconds(prefetchMs)} instead of ${text.seconds(serialMs)}; ` +
          `${violations} requests over the limit, by the server's count`,
      },
    ],
  };
}
