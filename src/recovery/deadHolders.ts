/**
 * Takes jobs back from processes that are certainly dead, at once. Without this the batch of a killed worker would wait
 * until its lock expires and two stalled checks have run; with it the same command, given again on the same machine,
 * continues within a second.
 */
import type { QueueConsumer } from "../queues/consumer.ts";
import { isDead } from "../runs/processIdentity.ts";
import type { WorkerRegistry } from "./workerRegistry.ts";

/** How many jobs of which queue were taken back; empty when no process died. */
export async function releaseDeadHolders(
  registry: WorkerRegistry,
  consumers: readonly QueueConsumer[],
): Promise<{ name: string; released: number }[]> {
  const dead = (await registry.all()).filter(({ process }) => isDead(process)).flatMap((w) => w.lockOwners);
  if (dead.length === 0) return [];
  const taken: { name: string; released: number }[] = [];
  for (const consumer of consumers) {
    const released = await consumer.takeBackFrom(dead);
    if (released > 0) taken.push({ name: consumer.queue.name, released });
  }
  return taken;
}
