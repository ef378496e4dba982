/**
 * Law 5: a batch whose process dies three times while Redis is well becomes a dead letter. It takes no other batch along,
 * and processes that are killed from outside, told to stop, or that die with Redis make no dead letter of a good batch.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import type { RunProgress } from "../../src/engine/api.ts";
import { listingFleet } from "../support/listingFleet.ts";
import { until } from "../support/until.ts";

const killableRun = fileURLToPath(new URL("../support/killableRun.mjs", import.meta.url));
const PAGE = 2_000;

// A page is a quarter of all: here no share of errors pauses.
const fleet = listingFleet({ records: 4 * PAGE, settings: { errorRate: 1 } });

/** Workers, one after the other, until one of them sees the run closed. Returns how many died before. */
async function workUntilClosed(
  runId: string,
  diesAt: (deaths: number) => readonly string[],
): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    const worker = await fleet.startWorker({ diesAt: diesAt(deaths) });
    const closed = until(
      async () => (await fleet.uee.engine.runProgress("cve", runId)).phase === "closed",
    ).then(() => true);
    if (await Promise.race([closed, worker.ended().then(() => false)])) return deaths;
    closed.catch(() => undefined);
  }
}

const letters = async () => (await fleet.uee.engine.deadLetters.list({}, { limit: 100 })).letters;
/** The key of a page, made from that of the first one. */
const pageKey = (first: string, start: number): string =>
  first.replace(/\d+$/, String(start).padStart(7, "0"));
const batches = async (runId: string): Promise<string[]> => {
  const keys = await fleet.uee.redis.commands.hkeys(`{${fleet.settings.prefix}:cve}:run:${runId}:batches`);
  return keys.sort();
};

test("a batch that kills its process three times is a dead letter; the others are loaded; a replay counts from the start", async () => {
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  const [first = ""] = await batches(runId);
  const second = pageKey(first, PAGE);
  expect(second).not.toBe(first);
  expect(await workUntilClosed(runId, () => [second])).toBe(3);

  const run = await fleet.uee.engine.runProgress("cve", runId);
  expect(run).toMatchObject({ state: "incomplete", created: 3 * PAGE, error: { code: "PROV_BATCH_DEAD" } });
  const [letter, ...others] = await letters();
  expect(others).toEqual([]);
  expect(letter).toMatchObject({ batch: second, code: "RPC_BATCH_KILLS_WORKER", state: "dead" });
  const pids = fleet.workers.slice(0, 3).map(({ process }) => String(process.pid));
  for (const pid of pids) expect(letter?.message).toContain(pid);

  fleet.workers.at(-1)!.kill("SIGTERM");
  await fleet.workers.at(-1)!.ended();
  const replayed = await fleet.uee.engine.deadLetters.replay({ ids: [letter!.id] });
  const { runId: replayRun } = replayed.runs[0]!;
  const [key = ""] = await batches(replayRun);
  // It dies twice more, and then the batch goes well.
  expect(await workUntilClosed(replayRun, (deaths) => (deaths < 2 ? [key] : []))).toBe(2);
  expect(await fleet.uee.engine.runProgress("cve", replayRun)).toMatchObject({ state: "complete" });
  expect(await letters()).toEqual([]);
});

test("killed from outside at one batch after the other, a run loses none of them", async () => {
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  const [first = ""] = await batches(runId);
  const pages = [0, 1, 2, 3].map((i) => pageKey(first, i * PAGE));
  // Every page loses its process once, and then every page twice more: by then the deaths are known to be no page's fault.
  const kills = [...pages, ...pages.flatMap((page) => [page, page])];
  expect(await workUntilClosed(runId, (deaths) => kills.slice(deaths, deaths + 1))).toBeGreaterThan(3);
  expect(await fleet.uee.engine.runProgress("cve", runId)).toMatchObject({
    state: "complete",
    fetched: 4 * PAGE,
    deadLettered: 0,
  });
});

test("a death with which Redis restarted is not held against the batch", async () => {
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  const [first = ""] = await batches(runId);
  for (let i = 0; i < 3; i++) {
    const worker = await fleet.startWorker({ diesAt: [first] });
    await worker.ended();
    if (i === 2) await fleet.redis.restart();
  }
  expect(await workUntilClosed(runId, () => [])).toBe(0);
  expect(await letters()).toEqual([]);
  expect(await fleet.uee.engine.runProgress("cve", runId)).toMatchObject({ state: "complete" });
});

test("a batch that is told to end is no longer held to be at work", async () => {
  let asked = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    asked = resolve;
  });
  fleet.listing.intercept = async () => {
    asked();
    return await new Promise<boolean>(() => undefined);
  };
  const { runId } = await fleet.uee.engine.openRun({ provider: "cve", mode: "full" });
  const work = `{${fleet.settings.prefix}:cve}:run:${runId}:work`;
  const worker = await fleet.uee.engine.startWorker();
  await first;
  expect(await fleet.uee.redis.commands.hlen(work)).toBe(1);
  await worker.stop();
  expect(await fleet.uee.redis.commands.hlen(work)).toBe(0);
});

test("a command that dies at the same batch whenever it is given ends with a dead letter", async () => {
  const give = async (kill: object): Promise<RunProgress | null> => {
    const { redis, settings } = fleet;
    const plan = { url: redis.url, provider: "cve", mode: "full", settings, ...kill };
    const running = spawn(process.execPath, [killableRun, JSON.stringify(plan)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    running.stdout.on("data", (chunk: Buffer) => {
      out += chunk;
    });
    await once(running, "close");
    return out === "" ? null : (JSON.parse(out) as RunProgress);
  };
  const dies = { step: "fetch", phase: "after", nth: 1 };
  for (let i = 0; i < 3; i++) expect(await give(dies)).toBeNull();
  expect(await give(dies)).toMatchObject({ state: "failed", error: { code: "RPC_BATCH_KILLS_WORKER" } });
});
