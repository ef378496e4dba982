/**
 * The real feeds, whole: loaded through jobs into the store and read back through `export`, equal to their sources, at two
 * points in time. Skipped where the data is not there; the simulator's own feeds cover the same ground elsewhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Simulator, startSimulator, upstreamNames } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { storedText, upstreamText } from "../support/storedEqual.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { hasSharedData, sharedData } from "../unit/providers/support.ts";

const describeReal = hasSharedData ? describe : describe.skip;
if (!hasSharedData) process.stderr.write("skipped: no real feeds (UEE_SHARED_DATA or ../shared/data)\n");

/** One day writes a score as 6e-05 and the next as 0.00006: that is no change, so the record keeps its first text. */
function withNumbers(provider: string, data: unknown): unknown {
  if (provider !== "epss") return data;
  const row = data as Record<string, string>;
  return { ...row, epss: Number(row.epss), percentile: Number(row.percentile) };
}

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;

describeReal("the real feeds", () => {
  beforeAll(async () => {
    redis = await startRedis({});
    simulator = await startSimulator({ dataset: { sharedData }, point: "before" });
    uee = await openTestEngine(redis.url, {
      providers: Object.fromEntries(
        upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
      ),
    });
  });
  afterAll(async () => {
    await uee?.close();
    await simulator?.close();
    await redis?.stop();
  });

  const points = ["before", "after"] as const;
  test.each(points.flatMap((point) => upstreamNames.map((provider) => ({ point, provider }))))(
    "$provider comes back equal to its source at the point $point",
    async ({ point, provider }) => {
      simulator.setPoint(point);
      const run = await uee.run(provider, "full", { allowShrink: true });
      expect(run).toMatchObject({ state: "complete", deadLettered: 0 });
      const store = await exported(uee.engine, provider);
      let count = 0;
      for (const entry of simulator.content(provider)) {
        count += 1;
        const stored = store.get(entry.id);
        if (storedText(provider, stored) !== upstreamText(entry))
          expect(withNumbers(provider, stored)).toEqual(withNumbers(provider, entry.data));
      }
      expect(store.size).toBe(count);
      expect(count).toBeGreaterThan(500);
    },
    // The scores of one day of EPSS are 300,000 rows: they take minutes on a machine that runs other tests beside.
    600_000,
  );
});
