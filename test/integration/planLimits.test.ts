/** What an upstream's answer can make a run plan is bounded, whatever a provider makes of the answer. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { defineProvider, type PlannedBatch } from "../../src/providers/contract.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { Batches, toEntries } from "../../src/runs/batches.ts";
import { Runs } from "../../src/runs/runs.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { makeRecords, startListing } from "../support/listingServer.ts";
import { answerFrom } from "../support/oddListing.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

let redis: TestRedis;
let uee: TestEngine | undefined;
let prefix = 0;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(() => uee?.close());

type Payload = { n: number; pad?: string };

/** Its first batch finds `count` more, each with a payload of about `bytes`. */
const greedy = (count: number, bytes = 0) => {
  const base = idleProvider("greedy", { batches: 1, takes: 0 });
  return defineProvider<Payload>({
    ...base,
    batch: z.looseObject({ n: z.number() }),
    plan: () => [{ key: "head", size: 1, payload: { n: 0 } }],
    async extract({ n }) {
      const more: PlannedBatch<Payload>[] =
        n > 0
          ? []
          : Array.from({ length: count }, (_, i) => ({
              key: `more/${i}`,
              size: 1,
              payload: { n: i + 1, pad: "x".repeat(bytes) },
            }));
      return { records: [{ id: `greedy-${n}` }], fetchedAt: Date.now() * 1000, more };
    },
  });
};

describe("a batch that finds too many others", () => {
  test.each([
    ["by their number", greedy(10_001)],
    ["by their payloads", greedy(2_000, 9_000)],
  ])("%s is refused before any is planned, and the run ends with the code", async (_name, provider) => {
    uee = await openTestEngine(redis.url, { prefix: `plan${prefix++}` }, { providers: [provider] });
    const run = await uee.run("greedy", "full");
    expect(run).toMatchObject({ state: "failed", batches: 1, error: { code: "PROV_PLAN_TOO_LARGE" } });
  });

  test("never makes a run hold more than its cap, checkpoint by checkpoint", async () => {
    const keys = makeKeys(`plan${prefix++}`).provider("greedy");
    const runs = new Runs(redis.client(), keys);
    const batches = new Batches(redis.client(), keys);
    const { runId } = await runs.open({
      provider: "greedy",
      mode: "full",
      source: "",
      actor: { kind: "script", name: "test" },
      reason: undefined,
      allowShrink: false,
      allowOlder: false,
      repair: true,
      plan: () => [{ key: "head", size: 1, payload: {} }],
    });
    const plan = async (from: number, count: number): Promise<void> => {
      const begun = await batches.begin(runId, "head", "batch");
      if (begun.kind !== "begun") throw new Error(begun.kind);
      const entries = toEntries(
        Array.from({ length: count }, (_, i) => ({ key: `more/${from + i}`, size: 1, payload: {} })),
        1,
      ).map((entry) => ({ ...entry, kind: "batch" as const }));
      await batches.planRecords(begun.attempt, entries, []);
    };
    for (let from = 0; from < 50_000; from += 10_000) await plan(from, Math.min(10_000, 49_999 - from));
    await expect(plan(60_000, 1)).rejects.toMatchObject({ code: "PROV_PLAN_TOO_LARGE" });
    // What an earlier attempt planned is no more.
    await plan(0, 10_000);
    expect((await runs.read(runId))?.planned).toBe(50_000);
  });
});

test("a total that cannot be plans nothing, and the provider works when the upstream is sane again", async () => {
  const records = makeRecords(30);
  const listing = await startListing(records);
  let totalResults = 1e11;
  listing.intercept = (url, response) => {
    if (totalResults === 30) return false;
    answerFrom({ places: records, envelope: { totalResults } }, url, response);
    return true;
  };
  uee = await openTestEngine(redis.url, {
    prefix: `plan${prefix++}`,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  expect(await uee.run("cve")).toMatchObject({
    state: "failed",
    batches: 1,
    error: { code: "PROV_WRONG_SHAPE", message: expect.stringContaining("totalResults") },
  });
  totalResults = 30;
  expect(await uee.run("cve")).toMatchObject({ state: "complete", created: 30 });
  expect((await exported(uee.engine, "cve")).size).toBe(30);
  await listing.close();
});
