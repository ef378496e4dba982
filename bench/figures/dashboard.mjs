// The HTTP side while the fleet works: four providers running, eight workers, 10,000 dead letters; repeated requests
// of a page and a script.
import { setTimeout as sleep } from "node:timers/promises";
import { failRecords } from "../lib/deadLetters.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median, quantile } from "../lib/statistics.mjs";
import { startUee, ueeEnvironment } from "../lib/uee.mjs";

export const name = "dashboard";
export const method =
  "`uee dashboard` beside eight `uee worker` processes that mirror all four providers from an upstream which takes 400 ms an " +
  "answer, and 10,000 dead letters; each address asked in turn, one request at a time, a page's event stream open beside.";

const GOAL_MS = 100;
const ADDRESSES = [
  "/api/overview",
  "/api/etl-tree",
  "/api/kernel-metrics",
  "/api/permits",
  "/api/workers",
  "/api/breakers",
  "/api/runs",
  "/api/transitions",
  "/api/dead-letters?limit=50",
  "/api/dead-letters?code=VAL_RECORD_FIELD&limit=50",
  "/api/dead-letters/stats",
  "/api/dead-letters/groups",
  "/api/search?q=injection",
  "/api/changes/recent",
  "/api/changes/days",
  "/api/series?name=throughput&range=24h",
  "/api/history",
  "/queues/api/queues?activeQueue=cve&status=failed&page=1&jobsPerPage=20",
];

export async function run(bench) {
  const letters = bench.quick ? 500 : 10_000;
  const workers = bench.quick ? 2 : 8;
  const rounds = bench.quick ? 5 : 100;
  const flags = ["--cves", 400_000, "--latency-ms", 400];
  return withSimulator(flags, (simulator) =>
    withRedis(async ({ url, socket }) => {
      await failRecords(socket, "cve", letters);
      const env = {
        ...ueeEnvironment({ url }, simulator),
        UEE_SCHEDULES: "off",
        UEE_DEAD_LETTER_LIMIT: "20000",
      };
      const fleet = await Promise.all(
        Array.from({ length: workers }, () =>
          startUee(["worker"], env, (line) => line.includes('"event":"ready"')),
        ),
      );
      const dashboard = await startUee(["dashboard", "--port", "0"], env, (line) => line.includes("http://"));
      try {
        const [base] = /http:\/\/127\.0\.0\.1:\d+/.exec(dashboard.said);
        const ask = (path, init) => fetch(`${base}${path}`, init);
        while (!(await ask("/readyz")).ok) await sleep(100);
        for (const provider of ["cve", "cwe", "capec", "attack"]) {
          const init = {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ mode: "full" }),
          };
          const answer = await ask(`/api/providers/${provider}/start`, init);
          if (answer.status !== 202) throw new Error(`starting ${provider}: ${await answer.text()}`);
        }
        const events = new AbortController();
        const stream = await ask("/events", { signal: events.signal });
        const reading = (async () => {
          for await (const _chunk of stream.body);
        })().catch(() => {});
        const took = new Map(ADDRESSES.map((path) => [path, []]));
        for (let round = 0; round < rounds; round++) {
          for (const path of ADDRESSES) {
            const from = performance.now();
            const answer = await ask(path);
            await answer.arrayBuffer();
            took.get(path).push(performance.now() - from);
            if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
          }
        }
        events.abort();
        await reading;
        const all = [...took.values()].flat();
        const slowest = [...took]
          .map(([path, times]) => [path, quantile(times, 0.99)])
          .sort((a, b) => b[1] - a[1]);
        return {
          data: { letters, workers, rounds, took: Object.fromEntries(took) },
          rows: [
            atMostRow({
              what: "dashboard and API under load, p99 of all requests",
              value: quantile(all, 0.99),
              goal: GOAL_MS,
              text: text.ms,
              note:
                `${all.length} requests to ${ADDRESSES.length} addresses, ${workers} workers, ${letters} dead letters; median ` +
                `${text.ms(median(all))}; the slowest by itself: ${slowest[0][0]}, p99 ${text.ms(slowest[0][1])}`,
            }),
          ],
        };
      } finally {
        await dashboard.end();
        await Promise.all(fleet.map((worker) => worker.end()));
      }
    }),
  );
}
