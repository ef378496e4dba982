/**
 * Law 1 under every fault of the year feeds that passes by itself, each alone and all together with those of the API: the
 * end is equal and verified. UEE_FAULT_SEEDS=20 walks every fault over 20 seeds (default: one); all together are always
 * met with 20 seeds.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { canonicalJson } from "../../src/core/json.ts";
import { startSimulator, transientFaults } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine } from "../support/testEngine.ts";

const TOGETHER = 20;
const seeds = Array.from({ length: Number(process.env.UEE_FAULT_SEEDS ?? "1") }, (_, i) => i + 1);
/** Runs wait for their upstreams most of the time. */
const AT_ONCE = 5;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
let prefix = 0;

/** A full run under the faults; returns what is wrong with its end, in words. */
async function breachesOf(faults: string[], seed: number): Promise<string[]> {
  const simulator = await startSimulator({ seed, cves: 120, recordBytes: 500 });
  const uee = await openTestEngine(redis.url, {
    prefix: `f${prefix++}`,
    timeouts: { connectMs: 2_000, headersMs: 400, idleMs: 400, totalMs: 20_000 },
    providers: { cve: { url: simulator.urls.cve, feedsUrl: simulator.urls.feeds, rate: "unlimited" } },
  });
  try {
    simulator.setFaults(faults);
    const run = await uee.run("cve", "full");
    const what = `seed ${seed}, ${faults.join(" ")}: `;
    const breaches = run.state === "complete" ? [] : [`${what}${run.state} ${run.error?.code}`];
    if (simulator.counts().injectedTotal === 0) breaches.push(`${what}nothing was injected`);
    const store = await exported(uee.engine, "cve");
    const upstream = [...simulator.content("cve")];
    const differ = upstream.filter(
      ({ id, data }) => canonicalJson(store.get(id) ?? null) !== canonicalJson(data),
    );
    if (differ.length > 0 || store.size !== upstream.length) {
      breaches.push(`${what}${differ.length} differ, ${store.size} of ${upstream.length}`);
    }
    return breaches;
  } finally {
    await uee.close();
    await simulator.close();
  }
}

async function all(cells: { faults: string[]; seed: number }[]): Promise<string[]> {
  const breaches: string[] = [];
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    for (let cell = cells.shift(); cell !== undefined; cell = cells.shift()) {
      breaches.push(...(await breachesOf(cell.faults, cell.seed)));
    }
  });
  await Promise.all(lanes);
  return breaches;
}

test("each fault of the feeds alone leaves an equal store", async () => {
  const cells = transientFaults.feeds.flatMap((fault) =>
    seeds.map((seed) => ({ faults: [`${fault}@0.1:feeds`, `${fault}x2:feeds`], seed })),
  );
  expect(await all(cells)).toEqual([]);
});

test("all faults of feeds and API together, over 20 seeds", async () => {
  const faults = ["all@0.10:feeds", "all@0.10:cve", "reset#1:feeds"];
  expect(await all(Array.from({ length: TOGETHER }, (_, i) => ({ faults, seed: i + 1 })))).toEqual([]);
});
