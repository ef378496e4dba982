/**
 * Takes jobs from processes that are certainly dead, at once. Without this a killed worker's batch waits for its lock to
 * expire and for two stalled checks; with it the same command, given again on the same machine, goes on within a second.
 */
import type { Worker } from "bullmq";
import type { Redis } from "ioredis";
import { loadScript } from "../redis/scripts.ts";
import { isDead } from "./processIdentity.ts";
import type { WorkerRegistry } from "./workerRegistry.ts";

const releaseScript = loadScript(new URL("./lua/releaseDeadHolder-3.lua", import.meta.url));

export async function releaseDeadHolders(
  redis: Redis,
  registry: WorkerRegistry,
  worker: Worker,
): Promise<number> {
  const dead = (await registry.all()).filter(({ process }) => isDead(process)).flatMap((w) => w.lockOwners);
  if (dead.length === 0) return 0;
  const active = await redis.lrange(worker.toKey("active"), 0, -1);
  let released = 0;
  for (const id of active) {
    const lock = `${worker.toKey(id)}:lock`;
    const token = await redis.get(lock);
    if (token === null || !dead.some((owner) => token.startsWith(`${owner}:`))) continue;
    released += Number(
      await releaseScript.run(
        redis,
        [lock, worker.toKey("stalled"), worker.toKey("stalled-check")],
        [token, id],
      ),
    );
  }
  if (released > 0) await worker.getBackend().moveStalledJobsToWait();
  return released;
}
