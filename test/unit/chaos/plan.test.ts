/** A hunt is what its seed says: the plan is a pure function, and over many seeds every trouble comes up. */
import { expect, test } from "@jest/globals";
import { parseFaults } from "../../../src/simulator/faults/spec.ts";
import { type Action, makePlan, planLines, replayCommand } from "../../chaos/plan.ts";
import { inHunts } from "../../chaos/upstreamFaults.ts";

const many = Array.from({ length: 300 }, (_, i) => makePlan({ seed: i + 1, minutes: 1 }));

test("the same seed makes the same plan, another seed another", () => {
  const plan = makePlan({ seed: 7, minutes: 1 });
  expect(makePlan({ seed: 7, minutes: 1 })).toEqual(plan);
  expect(planLines(makePlan({ seed: 8, minutes: 1 }))).not.toEqual(planLines(plan));
  expect(replayCommand(plan)).toBe("npm run chaos -- --seed 7 --minutes 1");
  expect(replayCommand(makePlan({ seed: 7, minutes: 2, mode: "failover" }))).toContain("--mode failover");
});

test("a longer hunt begins as the shorter one does", () => {
  const short = planLines(makePlan({ seed: 5, minutes: 0.5 }));
  const long = planLines(makePlan({ seed: 5, minutes: 1 }));
  expect(long.slice(0, short.length)).toEqual(short);
});

test("actions come in order, within the time of the hunt, for slots that there are", () => {
  for (const { actions, workers } of many) {
    const times = actions.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.max(...times)).toBeLessThan(60_000);
    for (const action of actions) if ("slot" in action) expect(action.slot).toBeLessThan(workers);
  }
});

test("over the seeds every trouble comes up, and every fault of the simulator's catalogue, each one it can read", () => {
  const single: Action["do"][] = [
    ...(["kill", "sleep", "term", "redis-kill", "redis-power-cut", "redis-freeze", "client-kill"] as const),
    ...(["script-flush", "out-of-memory", "disk-full", "line-swallow", "line-slow", "line-refuse"] as const),
    ...(["line-cut", "faults", "content", "point", "run", "pause", "stop", "resize"] as const),
    ...(["replay", "accept", "purge", "reset-breaker", "clock-step", "take-back"] as const),
  ];
  const met = new Set(many.flatMap(({ actions }) => actions.map((action) => action.do)));
  expect([...met].sort()).toEqual([...single].sort());
  const failover = makePlan({ seed: 1, minutes: 3, mode: "failover" }).actions;
  expect(failover.map((action) => action.do)).toContain("failover");
  const cluster = makePlan({ seed: 1, minutes: 3, mode: "cluster" }).actions;
  const replaced = cluster.flatMap((action) => (action.do === "failover" ? [action.of] : []));
  expect(new Set(replaced).size).toBeGreaterThan(3);
  // Nothing that needs a line between a worker and its Redis, or one Redis for all.
  expect(
    cluster.map((action) => action.do).filter((what) => /line|disk|clock|redis-(kill|power)/.test(what)),
  ).toEqual([]);
  const specs = many.flatMap(({ actions }) => actions.flatMap((a) => (a.do === "faults" ? a.faults : [])));
  const names = new Set(parseFaults(specs).map(({ name }) => name));
  expect([...names].filter((name) => name !== "all").sort()).toEqual([...inHunts].sort());
});
