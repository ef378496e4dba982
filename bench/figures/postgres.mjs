// The PostgreSQL sink over all CVEs: its first load, and how far it is behind while it follows.
import { setTimeout as sleep } from "node:timers/promises";
import { withPostgres } from "../lib/postgres.mjs";
import { runNode } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { median } from "../lib/statistics.mjs";
import { startUee, ueeBin, ueeEnvironment, ueeRun } from "../lib/uee.mjs";

export const name = "postgres";
export const method =
  "one `uee sink postgres` into an empty PostgreSQL with its default settings, the whole command. Then `--follow`, and runs " +
  "that change 500 CVEs each: PostgreSQL's commit time of each row, less the time at which the mirror committed the record.";

export async function run(bench) {
  const cves = bench.quick ? 6_000 : 425_000;
  const rounds = bench.quick ? 2 : 10;
  return withSimulator(["--cves", cves], (simulator) =>
    withRedis((server) =>
      withPostgres(async (postgres) => {
        const { summary } = await ueeRun(server, simulator, "cve");
        bench.say(`postgres: ${summary.fetched} CVEs loaded in ${text.seconds(summary.durationMs)}`);
        const env = { ...ueeEnvironment(server, simulator), UEE_POSTGRES_URL: postgres.url };
        const load = await runNode([ueeBin, "sink", "postgres"], { env });
        bench.say(`postgres: sink loaded in ${text.seconds(load.wallMs)}`);
        const [{ size }] = await postgres.query("SELECT pg_total_relation_size('uee.record') AS size");
        const ready = (line) => line.includes('"health"');
        const sink = await startUee(["sink", "postgres", "--follow", "--health-port", "0"], env, ready);
        const lags = [];
        try {
          for (let round = 0; round < rounds; round++)
            lags.push(...(await changed({ server, simulator, postgres })));
        } finally {
          await sink.end();
        }
        const verified = await runNode([ueeBin, "sink", "postgres", "--verify", "--json"], { env });
        const verdict = JSON.parse(verified.stdout);
        if (verdict.equal !== verdict.checked || verdict.checked < cves) throw new Error(verified.stdout);
        const slowest = Math.max(...lags);
        bench.say(`postgres: lag at most ${text.ms(slowest)}; compared in ${text.seconds(verified.wallMs)}`);
        const count = cves.toLocaleString("en");
        return {
          data: { cves, load, size: Number(size), lags: lags.length, slowest, verifyMs: verified.wallMs },
          rows: [
            atMostRow({
              what: `PostgreSQL: load of ${count} records`,
              value: load.wallMs,
              goal: 120_000,
              text: text.seconds,
              note:
                `peak of the sink ${text.mb(load.peak)}, the table with its indexes ${text.mb(Number(size))}; comparing ` +
                `all of them (--verify): ${text.seconds(verified.wallMs)}`,
            }),
            atMostRow({
              what: "PostgreSQL: lag of `--follow`, the longest",
              value: slowest,
              goal: 2_000,
              text: text.ms,
              note: `${lags.length} rows in ${rounds} runs; median ${text.ms(median(lags))}`,
            }),
          ],
        };
      }),
    ),
  );
}

/** Changes 500 CVEs, runs, and waits until the rows are there; the lag of each, ms. */
async function changed({ server, simulator, postgres }) {
  const [{ since }] = await postgres.query("SELECT max(last_changed)::text AS since FROM uee.record");
  const change = { provider: "cve", modify: 500 };
  const answer = await fetch(`${simulator.url}/_sim/change`, {
    method: "POST",
    body: JSON.stringify(change),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const { stdout } = await runNode([ueeBin, "run", "cve", "--wait", "--json"], {
    env: ueeEnvironment(server, simulator),
  });
  const { updated } = JSON.parse(stdout).runs[0];
  for (;;) {
    const rows = await postgres.query(
      `SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - last_changed) * 1000 AS ms
         FROM uee.record WHERE provider = 'cve' AND last_changed > '${since}'`,
    );
    if (rows.length >= updated) return rows.map(({ ms }) => Number(ms));
    await sleep(100);
  }
}
