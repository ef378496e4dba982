/**
 * Law 1 (nothing lost): a worker that is killed on another machine, where its process cannot be seen, has its batches
 * run again by another; and one that was stopped cleanly leaves nothing to wait for. The bench `resume` measures how long
 * that takes.
 */
import { beforeEach, expect, test } from "@jest/globals";
import { jobFacts } from "../support/jobFacts.ts";
import { listingFleet } from "../support/listingFleet.ts";
import { until } from "../support/until.ts";
import type { WorkerProcess } from "../support/workers.ts";

const RECORDS = 4_500;
const fleet = listingFleet({ records: RECORDS });

/** Answers of the upstream that are held back. */
let held: (() => void)[];
let holding: boolean;
beforeEach(() => {
  held = [];
  holding = true;
  fleet.listing.intercept = async () => {
    if (holding) await new Promise<void>((resolve) => held.push(resolve));
    return false;
  };
});

const begun = ({ steps }: WorkerProcess) =>
  steps.filter(({ step, phase }) => step === "fetch" && phase === "before");

async function completes(runId: string): Promise<void> {
  holding = false;
  for (const answer of held) answer();
  expect(await fleet.uee.engine.waitForRun("cve", runId, { pollMs: 25 })).toMatchObject({
    state: "complete",
    fetched: RECORDS,
    deadLettered: 0,
  });
  await until(async () => (await fleet.uee.engine.status()).providers[0]!.jobs.active === 0);
  const jobs = await jobFacts(fleet.uee.redis.commands, fleet.settings.prefix, "cve");
  expect(jobs.filter(({ state, made }) => state !== "completed" || made !== 1)).toEqual([]);
}

test("the batch of a worker killed on another machine runs again in another", async () => {
  const victim = await fleet.startWorker({ host: "far-away" });
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => held.length > 0);
  const survivor = await fleet.startWorker();
  expect((await fleet.uee.engine.workers()).map(({ host }) => host)).toContain("far-away");
  victim.kill("SIGKILL");
  await until(() => begun(survivor).length > 0);
  const [first] = begun(survivor);
  expect(first!.batch).toBe(begun(victim)[0]!.batch);
  // By the end of its lock: from here its death cannot be seen.
  const dead = (await fleet.uee.engine.workers()).find(({ id }) => id === victim.id)!;
  expect(dead.health).not.toBe("dead");
  await completes(runId);
});

test("a worker takes the batch that a stopped one gave back", async () => {
  const first = await fleet.startWorker();
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => held.length > 0);
  first.kill("SIGTERM");
  await first.ended();
  expect(first.process.exitCode).toBe(0);
  const second = await fleet.startWorker();
  await until(() => begun(second).length > 0);
  expect(begun(second)[0]!.batch).toBe(begun(first)[0]!.batch);
  await completes(runId);
});
