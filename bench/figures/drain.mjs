// SIGTERM of a worker in the middle of its batches, until its process has ended; another worker continues its batches
// with all their attempts.

import { openEngine } from "../lib/openEngine.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, statedRow, text } from "../lib/rows.mjs";
import { engineSettings } from "../lib/settings.mjs";
import { startSleeperWorker } from "../lib/sleeperWorker.mjs";
import { quantile } from "../lib/statistics.mjs";

export const name = "drain";
export const method =
  "two worker processes on one host; one is told to leave with SIGTERM at a random moment of its work and timed until its process has ended; each batch it gave back is timed until the other one fetches it, and the attempts of all jobs are read afterwards.";

const GOAL_MS = 500;
const GIVE_UP_MS = 60_000;

export async function run(bench) {
  const drains = bench.quick ? 1 : 20;
  const settings = await engineSettings({ UEE_SLEEPER_RATE: "unlimited" });
  const plan = { batches: 5_000, fetchMs: 700, workMs: 20 };
  const { gone, again, spent } = await withRedis(async ({ url, redis }) => {
    const { engine, close } = await openEngine({ url, settings, sleeper: plan });
    const survivor = await startSleeperWorker({ url, settings, sleeper: plan });
    await engine.openRun({ provider: "sleeper", mode: "full" });
    const found = { gone: [], again: [] };
    for (let round = 0; round < drains; round++) {
      const leaver = await startSleeperWorker({ url, settings, sleeper: plan });
      const one = await drainOne(leaver, survivor);
      found.gone.push(one.gone);
      found.again.push(...one.again);
      bench.say(`drain ${round + 1}: ${text.ms(one.gone)}`);
    }
    const spentAttempts = await attemptsSpent(redis);
    await survivor.end("SIGKILL");
    await close();
    return { ...found, spent: spentAttempts };
  });
  const most = Math.max(...gone);
  return {
    data: { drains, gone, again, spent, p50: quantile(gone, 0.5), most },
    rows: [
      atMostRow({
        what: "SIGTERM of a worker to the end of its process, longest",
        value: most,
        goal: GOAL_MS,
        text: text.ms,
        note: `${gone.length} workers in the middle of their batches; median ${text.ms(quantile(gone, 0.5))}; ${spent} attempts spent`,
      }),
      statedRow({
        what: "SIGTERM to a batch of its running again elsewhere, p99",
        figure: text.ms(quantile(again, 0.99)),
        note: `${again.length} batches given back; median ${text.ms(quantile(again, 0.5))}`,
      }),
    ],
  };
}

async function drainOne(leaver, survivor) {
  await new Promise((done) => leaver.events.once("begins", done));
  await new Promise((done) => setTimeout(done, Math.random() * 1_000));
  const begun = new Map();
  const note = (batch) => begun.set(batch, performance.now());
  survivor.events.on("begins", note);
  const held = [...leaver.inWork];
  const told = performance.now();
  await leaver.end("SIGTERM");
  const gone = performance.now() - told;
  // Batches that it committed are done; batches that it returned begin again.
  const given = held.filter((batch) => !leaver.done.has(batch));
  while (!given.every((batch) => begun.has(batch))) {
    if (performance.now() - told > GIVE_UP_MS) throw new Error(`${given} did not run again`);
    await new Promise((done) => setTimeout(done, 5));
  }
  survivor.events.off("begins", note);
  return { gone, again: given.map((batch) => begun.get(batch) - told) };
}

/** Number of jobs in the queue that are not finished. */
async function attemptsSpent(redis) {
  let spent = 0;
  for await (const keys of redis.scanStream({ match: "*:sleeper:b-*", count: 1_000 })) {
    for (const key of keys.filter((one) => !one.endsWith(":lock"))) {
      const [made, finished] = await redis.hmget(key, "atm", "finishedOn");
      if (finished === null) spent += Number(made ?? 0);
    }
  }
  return spent;
}
