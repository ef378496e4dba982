/** Adds the jobs that a step made due. The reconciler adds them after a crash between the step and this. */
import type { ProviderQueue } from "../queues/providerQueue.ts";
import type { BatchEntry } from "./runRecord.ts";
import type { Runs } from "./runs.ts";

export async function addDueJobs(
  { runs, queue }: { runs: Runs; queue: ProviderQueue },
  runId: string,
  entries: BatchEntry[],
  outstanding: number,
): Promise<void> {
  await queue.addBatches(runId, entries);
  if (outstanding > 0) return;
  const run = await runs.read(runId);
  if (run && run.state !== "closed") {
    await queue.addFinish(runId, run.pass, run.round, run.finishGeneration);
  }
}
