/** Law 5: what is held against a batch when processes died that worked on it, and what is taken back. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { BatchDeaths } from "../../../src/recovery/deadLetters/batchDeaths.ts";
import { WorkerRegistry } from "../../../src/recovery/workerRegistry.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { processKey, thisProcess } from "../../../src/runs/processIdentity.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;
let runId: string;
let batch: string;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis);
  ({ runId } = await mirror.uee.engine.openRun({ provider: "cve", mode: "full" }));
  [batch = ""] = await commands().hkeys(run().batches);
});
afterEach(() => mirror.close());

const commands = () => mirror.uee.redis.commands;
const keys = () => makeKeys("uee");
const run = () => keys().provider("cve").run(runId);

/** A process of this machine that is gone. */
const gone = (pid: number): string =>
  JSON.stringify({ ...thisProcess(), pid: 4_000_000 + pid, started: "1" });
/** One of another machine. */
const far = (pid: number): string =>
  JSON.stringify({ ...thisProcess(), host: "far", pid, scope: "another boot" });

/** An attempt that began, after this Redis did (it tells that in whole seconds), and never ended. */
async function leaveMark(process: string): Promise<void> {
  const [seconds] = await commands().time();
  await commands().hset(run().work, batch, `${(Number(seconds) + 5) * 1_000_000}|${process}`);
}

const diedBefore = (...processes: string[]) =>
  commands().hset(
    run().deaths,
    batch,
    JSON.stringify({ generation: "1", deaths: processes.map((process) => ({ process, at: 1, how: "" })) }),
  );

test("the third death makes a dead letter that names the processes and how they ended", async () => {
  const registry = new WorkerRegistry(commands(), keys());
  const facts = { ...thisProcess(), pid: 4_000_003, started: "1" };
  await registry.beat(
    {
      ...{ id: "w-3", process: facts, startedAt: "", version: "1", state: "ready", lockOwners: [] },
      ...{ serves: { providers: ["cve"], runs: true }, vitals: null },
    },
    { heartbeat: true },
  );
  await registry.noteEnd("w-3", "was ended by SIGKILL");
  await diedBefore(gone(1), gone(2));
  await leaveMark(JSON.stringify(facts));
  expect(await mirror.see(runId)).toMatchObject({
    state: "failed",
    error: { code: "RPC_BATCH_KILLS_WORKER" },
  });
  const [letter] = await mirror.all();
  expect(letter).toMatchObject({ code: "RPC_BATCH_KILLS_WORKER", class: "permanent", batch });
  expect(letter?.message).toMatch(/4000001, .*4000002, .*4000003 \(was ended by SIGKILL\)/);
});

test("where processes die that no batch explains, more deaths are asked for", async () => {
  await diedBefore(gone(1), gone(2));
  await leaveMark(gone(3));
  const now = Date.now();
  await commands().hset(keys().provider("cve").processDeaths, gone(7), now, gone(8), now);
  expect(await mirror.see(runId)).toMatchObject({ state: "complete" });
});

test.each([
  ["lives", () => Promise.resolve(processKey())],
  ["is of another machine and published a heartbeat just now", () => Promise.resolve(far(1))],
])("a process that %s has not died", async (_what, process) => {
  await diedBefore(gone(1), gone(2));
  await leaveMark(await process());
  expect(await mirror.see(runId)).toMatchObject({ state: "complete" });
});

test("a process that was taken for dead and comes back is taken off the list", async () => {
  await diedBefore(gone(1), processKey());
  const registry = new WorkerRegistry(commands(), keys());
  const deaths = new BatchDeaths(commands(), keys().provider("cve"), registry);
  await deaths.end({ runId, batchKey: batch, fence: 1, pass: 1 });
  await leaveMark(gone(3));
  expect(await mirror.see(runId)).toMatchObject({ state: "complete" });
});
