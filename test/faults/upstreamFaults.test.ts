/**
 * Laws 1, 3 and 7 under every fault of the upstreams: a run ends complete and its store equals the upstream's content,
 * each class alone at 5 % and all together at 10 %. UEE_FAULT_SEEDS=20 walks the whole matrix (default: one seed a class,
 * two for all together), from UEE_FAULT_FIRST_SEED on. Waits are scaled down, so that "none while told to wait" has its own test.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { transientFaults, type Upstream, upstreamNames } from "../../src/simulator/index.ts";
import { runCell } from "../support/faultMatrix.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

const classes = [...new Set(upstreamNames.flatMap((name) => transientFaults[name]))];
const wanted = Number(process.env.UEE_FAULT_SEEDS ?? "1");
const first = Number(process.env.UEE_FAULT_FIRST_SEED ?? "1");
const seeds = Array.from({ length: wanted }, (_, i) => first + i);
const seedsOfAll = Array.from({ length: Math.max(2, wanted) }, (_, i) => first + i);
const cells = classes.flatMap((fault) => seeds.map((seed) => ({ fault, seed })));
const hit = (fault: string): Upstream[] =>
  upstreamNames.filter((name) => (transientFaults[name] as string[]).includes(fault));

describe("a mirror of all providers is complete and equal to its upstreams", () => {
  test.each(cells)("with $fault in every twentieth answer, seed $seed", async ({ fault, seed }) => {
    // The first answer is always hit, so that no seed passes by never meeting the fault.
    const providers = hit(fault);
    const faults = providers.flatMap((provider) => [`${fault}@0.05:${provider}`, `${fault}#1:${provider}`]);
    const { breaches, injected } = await runCell(redis.url, { faults, seed, providers });
    expect(breaches).toEqual([]);
    expect(injected).toBeGreaterThan(0);
  });

  test.each(seedsOfAll)("with all of them together in every tenth answer, seed %i", async (seed) => {
    // A run asks so little that a seed may meet no fault at all: one is certain.
    const faults = ["all@0.10", "reset#1:cve"];
    const { breaches, injected } = await runCell(redis.url, { faults, seed });
    expect(breaches).toEqual([]);
    expect(injected).toBeGreaterThan(0);
  });
});
