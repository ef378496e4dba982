// How a load grows with the number of workers, against an upstream that answers as slowly as a real one.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { cveSource } from "../lib/cves.mjs";
import { tracked } from "../lib/processes.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { statedRow, text } from "../lib/rows.mjs";
import { withSimulator } from "../lib/simulator.mjs";
import { ueeBin, ueeEnvironment, ueeRun } from "../lib/uee.mjs";

export const name = "scale";
export const method =
  "`uee run cve --full` beside as many `uee worker` processes as make 1, 2, 4 and 8 in all, on a fresh Redis, against an upstream that takes 400 ms to answer and allows any number of requests. Redis' share is the processor time of its main thread, by the duration of the run.";

const LATENCY_MS = 400;

export async function run(bench) {
  const source = cveSource(bench);
  const counts = bench.quick ? [1, 2] : [1, 2, 4, 8];
  const runs = [];
  await withSimulator([...source.flags, "--latency-ms", LATENCY_MS], async (simulator) => {
    for (const count of counts) {
      const measured = await withRedis((server) => withWorkers(server, simulator, count - 1));
      runs.push({ workers: count, ...measured });
      bench.say(`scale: ${count} workers, ${text.seconds(measured.durationMs)}`);
    }
  });
  const alone = runs[0];
  return {
    data: { source: source.label, latencyMs: LATENCY_MS, runs },
    rows: [
      statedRow({
        what: `full load by ${counts.join(", ")} workers, upstream with ${LATENCY_MS} ms`,
        figure: runs.map(({ durationMs }) => text.times(alone.durationMs / durationMs)).join(", "),
        note:
          `${alone.records} ${source.label}: ` +
          runs
            .map(
              ({ workers, records, durationMs, redisMs }) =>
                `${workers}: ${Math.round((records / durationMs) * 1000)} records/s, Redis busy ${text.percent(redisMs / durationMs, 0)}`,
            )
            .join("; ") +
          `. One Redis takes about ${Math.round((alone.records / alone.redisMs) * 1000)} records/s`,
      }),
    ],
  };
}

async function withWorkers(server, simulator, count) {
  const workers = Array.from({ length: count }, () =>
    tracked(
      spawn(process.execPath, [ueeBin, "worker", "--health-port", "0"], {
        env: { ...process.env, ...ueeEnvironment(server, simulator), UEE_SCHEDULES: "off" },
        stdio: "ignore",
      }),
    ),
  );
  const gone = workers.map((worker) => new Promise((done) => worker.once("exit", done)));
  try {
    // A worker that is ready has its connections: two for each queue and two of its own.
    let clients = -1;
    for (let same = 0; count > 0 && same < 10; ) {
      await sleep(100);
      const now = (await server.redis.client("LIST")).trim().split("\n").length;
      same = now === clients && now > count * 4 ? same + 1 : 0;
      clients = now;
    }
    const before = await mainThreadMs(server.redis);
    const { summary } = await ueeRun(server, simulator, "cve");
    return {
      records: summary.fetched,
      durationMs: summary.durationMs,
      redisMs: (await mainThreadMs(server.redis)) - before,
    };
  } finally {
    for (const worker of workers) worker.kill("SIGTERM");
    await Promise.all(gone);
  }
}

async function mainThreadMs(redis) {
  const info = await redis.info("cpu");
  const seconds = (kind) => Number(new RegExp(`used_cpu_${kind}_main_thread:([\\d.]+)`).exec(info)?.[1] ?? 0);
  return (seconds("user") + seconds("sys")) * 1000;
}
