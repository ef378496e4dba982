/**
 * Laws 1 and 5 (nothing lost, every batch accounted for) over the deaths of masters of a cluster in mid-run: of the one that
 * holds the provider, and of the ones that hold the permits and the fleet. Their replicas take over, the run ends complete
 * and equal, and no attempt is spent.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { startCluster, type TestCluster } from "../support/redisCluster.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
let run: TroubledRun | undefined;
beforeAll(async () => {
  cluster = await startCluster();
});
afterEach(() => run?.close());
afterAll(() => cluster?.stop());

test("a run in mid-run outlasts the death of every master, one after the other", async () => {
  run = await startTroubledRun({ redis: cluster, cves: 16_000 });
  const keys = makeKeys(run.settings.prefix);
  const killed = new Set<number>();
  for (const key of [keys.provider("cve").tag, keys.permits.pool, keys.fleet]) {
    const { port } = await cluster.masterOf(key);
    if (killed.has(port)) continue;
    const dead = await cluster.failOver(key);
    killed.add(dead.port);
    await dead.restart();
    await cluster.settled();
  }
  await run.end();
}, 180_000);

test("a worker that is told to stop while one master is away leaves before its deadline", async () => {
  run = await startTroubledRun({ redis: cluster, cves: 8_000 });
  const [leaver] = run.workers;
  const key = makeKeys(run.settings.prefix).provider("capec").tag;
  const master = await cluster.masterOf(key);
  const replica = await cluster.replicaOf(master);
  // Nothing takes over before the worker has left.
  await replica.kill("SIGSTOP");
  await master.kill("SIGKILL");
  await run.everyoneKnows();
  leaver!.kill("SIGTERM");
  await leaver!.ended();
  expect(leaver!.logs.filter(({ event, step }) => event === "shutdown_late" && step === "batches")).toEqual(
    [],
  );
  await replica.kill("SIGCONT");
  await until(async () => (await cluster.masterOf(key, master)) === replica);
  await master.restart();
  await cluster.settled();
  await run.end();
}, 180_000);
