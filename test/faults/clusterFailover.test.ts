/**
 * Laws 1 and 5 (nothing lost, every batch accounted for) over the deaths of masters of a cluster in mid-run: of the one that
 * holds the provider, and of the ones that hold the permits and the fleet. Their replicas take over, the run ends complete
 * and equal, and no attempt is spent.
 */
import { afterAll, beforeAll, test } from "@jest/globals";
import { makeKeys } from "../../src/redis/keys.ts";
import { startCluster, type TestCluster } from "../support/redisCluster.ts";
import { startTroubledRun, type TroubledRun } from "../support/troubledRun.ts";

let cluster: TestCluster;
let run: TroubledRun;
beforeAll(async () => {
  cluster = await startCluster();
  run = await startTroubledRun({ redis: cluster, cves: 16_000 });
});
afterAll(async () => {
  await run?.close();
  await cluster?.stop();
});

test("a run in mid-run outlasts the death of every master, one after the other", async () => {
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
