/** A batch of records so large that it takes several pages is committed piece by piece; its sums are those of the whole. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let simulator: Simulator;

beforeAll(async () => {
  redis = await startRedis({});
  // 30 MB in one batch: its pages shrink until they fit, and the first ones are given away.
  simulator = await startSimulator({ cves: 300, recordBytes: 100_000, extremes: false });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
});

async function mirrored(prefix: string) {
  let commits = 0;
  const uee = await openTestEngine(
    redis.url,
    { prefix, providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } } },
    {
      onStep: (step, phase) => {
        if (step === "commit" && phase === "after") commits++;
      },
    },
  );
  try {
    const run = await uee.run("cve");
    return { run, commits, found: await exported(uee.engine, "cve") };
  } finally {
    await uee.close();
  }
}

describe("a batch of very large records", () => {
  test("is committed in pieces and ends as one batch with everything the upstream has", async () => {
    const { run, commits, found } = await mirrored("large");
    expect(run).toMatchObject({ state: "complete", fetched: 300, created: 300, batches: 1, deadLettered: 0 });
    expect(commits).toBeGreaterThan(1);
    expect(found).toEqual(new Map([...simulator.content("cve")].map(({ id, data }) => [id, data])));
  });

  test("counts each of its bad records once, the nameless ones of every piece included", async () => {
    simulator.setFaults(["bad-record@0.1:cve"]);
    const bad = simulator.badRecords("cve");
    const { run, commits, found } = await mirrored("large-bad");
    simulator.setFaults([]);
    expect(bad.length).toBeGreaterThan(10);
    expect(commits).toBeGreaterThan(1);
    expect(run).toMatchObject({ state: "incomplete", created: 300 - bad.length, deadLettered: bad.length });
    expect(found.size).toBe(300 - bad.length);
  });
});
