// SIGKILL of a worker in the middle of a run, until its batches run again in another worker on the same host.

import { openEngine } from "../lib/openEngine.mjs";
import { withRedis } from "../lib/redisServer.mjs";
import { atMostRow, text } from "../lib/rows.mjs";
import { engineSettings } from "../lib/settings.mjs";
import { startSleeperWorker } from "../lib/sleeperWorker.mjs";
import { quantile } from "../lib/statistics.mjs";

export const name = "resume";
export const method =
  "two worker processes on one host; one is killed with SIGKILL at a random moment of its work, and each batch it held is timed until the other one fetches it. All within production's lock and check intervals.";

const GOAL_MS = 10_000;
/** A batch that takes longer counts as lost. */
const GIVE_UP_MS = 60_000;

export async function run(bench) {
  const kills = bench.quick ? 1 : 20;
  const settings = await engineSettings({ UEE_SLEEPER_RATE: "unlimited" });
  const plan = { batches: 5_000, fetchMs: 700, workMs: 20 };
  const waits = await withRedis(async ({ url }) => {
    const { engine, close } = await openEngine({ url, settings, sleeper: plan });
    const worker = () => startSleeperWorker({ url, settings, sleeper: plan });
    const survivor = await worker();
    await engine.openRun({ provider: "sleeper", mode: "full" });
    const found = [];
    for (let kill = 0; kill < kills; kill++) {
      found.push(...(await killOne(await worker(), survivor)));
      bench.say(`resume ${kill + 1}: ${text.seconds(found.at(-1))}`);
    }
    await survivor.end("SIGKILL");
    await close();
    return found;
  });
  const p99 = quantile(waits, 0.99);
  return {
    data: { kills, waits, p50: quantile(waits, 0.5), p99 },
    rows: [
      atMostRow({
        what: "SIGKILL of a worker to its batch running again in another, p99",
        value: p99,
        goal: GOAL_MS,
        text: text.seconds,
        note: `${waits.length} batches of ${kills} kills; median ${text.seconds(quantile(waits, 0.5))}`,
      }),
    ],
  };
}

/** Kills the victim while it works; returns how long each of its batches took to begin again, ms. */
async function killOne(victim, survivor) {
  await new Promise((done) => victim.events.once("begins", done));
  // At a random moment of its next second of work.
  await new Promise((done) => setTimeout(done, Math.random() * 1_000));
  const begun = new Map();
  const note = (batch) => begun.set(batch, performance.now());
  survivor.events.on("begins", note);
  const killed = performance.now();
  await victim.end("SIGKILL");
  // The batches in progress at its death: all its output has been read by now.
  const orphans = [...victim.inWork];
  while (!orphans.every((batch) => begun.has(batch))) {
    if (performance.now() - killed > GIVE_UP_MS) throw new Error(`${orphans} did not run again`);
    await new Promise((done) => setTimeout(done, 5));
  }
  survivor.events.off("begins", note);
  return orphans.map((batch) => begun.get(batch) - killed);
}
