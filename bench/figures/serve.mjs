// The NVD-compatible server over all CVEs: answers to clients, and its memory.
import { Agent, fetch } from "undici";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, statedRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median, quantile } from "../lib/statistics.mjs";
import { startUee, ueeEnvironment, ueeRun } from "../lib/uee.mjs";

export const name = "serve";
export const method =
  "one `uee serve` over generated CVEs. `cveId`: eight clients ask at once, each one request at a time, for random CVEs. Pages: " +
  "one client walks through pages of 2,000 from random places, gzip accepted; then eight do. A request ends with the last " +
  "byte of its answer, which the client decompresses and does not parse. `VmHWM` after all that and after every feed was made.";

const CLIENTS = 8;
const PAGE = 2_000;

/** `clients` ask at once for what `pathOf` says; the times of all answers, ms. */
async function ask(base, clients, requests, pathOf) {
  const dispatcher = new Agent({ pipelining: 1 });
  const took = [];
  let bytes = 0;
  const client = async (_, number) => {
    const headers = { "user-agent": `bench ${number}` };
    for (let i = 0; i < requests / clients; i++) {
      const from = performance.now();
      const answer = await fetch(`${base}${pathOf()}`, { dispatcher, headers });
      bytes += (await answer.arrayBuffer()).byteLength;
      took.push(performance.now() - from);
      if (!answer.ok) throw new Error(`${answer.status} ${answer.headers.get("message")}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  await dispatcher.close();
  return {
    p99: quantile(took, 0.99),
    median: median(took),
    bytes: bytes / took.length,
    requests: took.length,
  };
}

export async function run(bench) {
  const cves = bench.quick ? 12_000 : 425_000;
  return withSimulator(["--cves", cves], (simulator) =>
    withRedis(async (server) => {
      const { summary } = await ueeRun(server, simulator, "cve");
      bench.say(`serve: ${summary.fetched} CVEs loaded in ${text.seconds(summary.durationMs)}`);
      const listening = await startUee(["serve", "--port", "0"], ueeEnvironment(server, simulator), (line) =>
        line.includes('"serve_listening"'),
      );
      try {
        const { url } = JSON.parse(listening.said);
        const api = `${url}/rest/json/cves/2.0`;
        const from = performance.now();
        while (!(await fetch(`${url}/readyz`)).ok) await new Promise((done) => setTimeout(done, 100));
        const readMs = performance.now() - from;
        const indexPeak = listening.peak();
        bench.say(`serve: index read in ${text.seconds(readMs)}, ${text.mb(indexPeak)}`);
        // All feeds, so that none is made while requests are timed.
        await (await fetch(`${url}/feeds/json/cve/2.0/cache.properties`)).text();
        await (await fetch(`${url}/feeds/json/cve/2.0/nvdcve-2.0-recent.meta`)).text();
        const feedsMs = performance.now() - from - readMs;
        const ids = await someIds(api, cves);
        const random = (values) => values[Math.floor(Math.random() * values.length)];
        const one = () => `?cveId=${random(ids)}`;
        const page = () =>
          `?startIndex=${PAGE * Math.floor(Math.random() * (cves / PAGE))}&resultsPerPage=${PAGE}`;
        await ask(api, CLIENTS, 200, one);
        const single = await ask(api, CLIENTS, bench.quick ? 400 : 4_000, one);
        await ask(api, 1, 5, page);
        const pages = await ask(api, 1, bench.quick ? 20 : 200, page);
        const pagesOfMany = await ask(api, CLIENTS, bench.quick ? 16 : 160, page);
        const peak = listening.peak();
        bench.say(`serve: cveId ${text.ms(single.p99)}, page ${text.ms(pages.p99)}, ${text.mb(peak)}`);
        const count = cves.toLocaleString("en");
        return {
          data: { cves, readMs, feedsMs, single, pages, pagesOfMany, indexPeak, peak },
          rows: [
            atMostRow({
              what: "`cveId` of the NVD API, p99, 8 clients at once",
              value: single.p99,
              goal: 10,
              text: text.ms,
              note: `${single.requests} requests over ${count} CVEs; median ${text.ms(single.median)}`,
            }),
            atMostRow({
              what: "a page of 2,000 of the NVD API, p99, a client that pages",
              value: pages.p99,
              goal: 150,
              text: text.ms,
              note: `${pages.requests} pages of ${text.mb(pages.bytes)} as JSON; median ${text.ms(pages.median)}`,
            }),
            statedRow({
              what: "a page of 2,000 of the NVD API, p99, 8 clients that page at once",
              figure: text.ms(pagesOfMany.p99),
              note: `${pagesOfMany.requests} pages; median ${text.ms(pagesOfMany.median)}`,
            }),
            atMostRow({
              what: `peak resident memory of \`uee serve\`, ${count} CVEs`,
              value: peak,
              goal: 600e6,
              text: text.mb,
              note:
                `after the index was read (${text.seconds(readMs)}) ${text.mb(indexPeak)}; all feeds were made in ` +
                text.seconds(feedsMs),
            }),
          ],
        };
      } finally {
        await listening.end();
      }
    }),
  );
}

/** Ids from all over the list. */
async function someIds(api, cves) {
  const ids = [];
  for (let i = 0; i < 10; i++) {
    const startIndex = Math.floor((i * cves) / 10);
    const answer = await fetch(`${api}?startIndex=${startIndex}&resultsPerPage=100`);
    for (const { cve } of (await answer.json()).vulnerabilities) ids.push(cve.id);
  }
  return ids;
}
