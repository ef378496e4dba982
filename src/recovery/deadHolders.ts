/**
 * Takes jobs from processes that are certainly dead, at once. Without this a killed worker's batch waits for its lock to
 * expire and for two stalled checks; with it the same command, given again on the same machine, goes on within a second.
 */
import type { Worker } from "bullmq";
import type { Redis } from "ioredis";
import { loadScript } from "../redis/scripts.ts";
import { isDead } from "../runs/processIdentity.ts";
import type { WorkerRegistry } from "./workerRegistry.ts";

const releaseScript = loadScript(new URL("./lua/releaseDeadHolder-3.lua", import.meta.url));
const shortenScript = loadScript(new URL("./lua/shortenLocks-2.lua", import.meta.url));

/** How many jobs of which queue were taken from the dead; nothing where nobody died. */
export async function releaseDeadHolders(
  redis: Redis,
  registry: WorkerRegistry,
  workers: readonly Worker[],
): Promise<{ name: string; released: number }[]> {
  const dead = (await registry.all()).filter(({ process }) => isDead(process)).flatMap((w) => w.lockOwners);
  if (dead.length === 0) return [];
  const taken: { name: string; released: number }[] = [];
  for (const worker of workers) {
    let released = 0;
    for (const id of await redis.lrange(worker.toKey("active"), 0, -1)) {
      const lock = `${worker.toKey(id)}:lock`;
      const token = await redis.get(lock);
      if (token === null || !dead.some((owner) => token.startsWith(`${owner}:`))) continue;
      const keys = [lock, worker.toKey("stalled"), worker.toKey("stalled-check")];
      released += Number(await releaseScript.run(redis, keys, [token, id]));
    }
    if (released === 0) continue;
    await worker.getBackend().moveStalledJobsToWait();
    taken.push({ name: worker.name, released });
  }
  return taken;
}

/** After Redis' clock went back: no lock of a job lasts longer than one can. Returns how many did. */
export async function shortenLocks(
  redis: Redis,
  workers: readonly Pick<Worker, "toKey">[],
  { lockMs, stalledCheckMs }: { lockMs: number; stalledCheckMs: number },
): Promise<number> {
  let shortened = 0;
  for (const worker of workers) {
    const keys = [worker.toKey("active"), worker.toKey("stalled-check")];
    shortened += Number(await shortenScript.run(redis, keys, [worker.toKey(""), lockMs, stalledCheckMs]));
  }
  return shortened;
}
