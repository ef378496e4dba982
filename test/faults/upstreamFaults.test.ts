/**
 * Laws 1, 3 and 7 under every fault of the upstreams: a run ends complete and its store equals the upstream's content,
 * each class alone at 5 % and all together at 10 %. UEE_FAULT_SEEDS=20 walks the whole matrix (default: one seed a class,
 * two for all together), from UEE_FAULT_FIRST_SEED on. Waits are scaled down, so that "none while told to wait" has its own test.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { transientFaults, type Upstream, upstreamNames } from "../../src/simulator/index.ts";
import { type CellResult, runCell } from "../support/faultMatrix.ts";
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

/**
 * Cells wait for their upstreams most of the time: the next ones are at work meanwhile. Each is begun as the tests come to
 * those before it, so that none waits longer than its own time-out allows.
 */
const AHEAD = 3;
const inOrder = [
  ...cells.map(({ fault, seed }) => {
    // The first answer is always hit, so that no seed passes by never meeting the fault.
    const providers = hit(fault);
    // A run of EPSS asks twice, for the redirect and for the file: each is hit once, since a file that has the same
    // bad rows twice is the upstream's own.
    const faults = providers.flatMap((provider) =>
      provider === "epss" ? [`${fault}#1,2:epss`] : [`${fault}@0.05:${provider}`, `${fault}#1:${provider}`],
    );
    return { faults, seed, providers };
  }),
  // A run asks so little that a seed may meet no fault at all: one is certain.
  ...seedsOfAll.map((seed) => ({ faults: ["all@0.10", "reset#1:cve"], seed })),
];
const begun = new Map<number, Promise<CellResult>>();

function result(place: number): Promise<CellResult> {
  for (let i = place; i < Math.min(place + AHEAD, inOrder.length); i++) {
    if (begun.has(i)) continue;
    const cell = runCell(redis.url, inOrder[i]!);
    // Its own test tells.
    cell.catch(() => undefined);
    begun.set(i, cell);
  }
  return begun.get(place)!;
}

describe("a mirror of all providers is complete and equal to its upstreams", () => {
  test.each(cells)("with $fault in every twentieth answer, seed $seed", async (cell) => {
    const { breaches, injected } = await result(cells.indexOf(cell));
    expect(breaches).toEqual([]);
    expect(injected).toBeGreaterThan(0);
  });

  test.each(seedsOfAll)("with all of them together in every tenth answer, seed %i", async (seed) => {
    const { breaches, injected } = await result(cells.length + seedsOfAll.indexOf(seed));
    expect(breaches).toEqual([]);
    expect(injected).toBeGreaterThan(0);
  });
});
