/**
 * Holds run and queue against each other and mends what a crash left between two steps: planned batches without a job,
 * jobs that failed without the run knowing, a run with nothing outstanding and no finish job. Every repair is a
 * compare-and-set or adds a job under a deterministic id, so any number of pods may do it at once.
 */
import { finishKey, jobId } from "../queues/jobCatalog.ts";
import type { BatchStatus, RunRecord } from "../runs/runRecord.ts";
import { failureOf } from "./deadLetters/deadLetter.ts";
import type { DeadLetterParts } from "./deadLetters/parts.ts";

/** Batches looked at together. */
const AT_ONCE = 100;

export interface Repair {
  runId: string;
  batch: string;
  repair: "job added" | "job replaced" | "burial caught up" | "finish added";
}

type ReconcilerParts = Pick<
  DeadLetterParts,
  "runs" | "batches" | "queue" | "deadLetters" | "badRecords" | "logger"
>;

export async function reconcileRun(parts: ReconcilerParts): Promise<Repair[]> {
  const { runs, batches, queue, logger } = parts;
  const runId = await runs.openRunId();
  // @safeguard reconciler-open-run
  if (runId === null) return [];
  const run = await runs.read(runId);
  if (run === undefined || run.state === "closed") return [];
  const repairs: Repair[] = [];
  const statuses = await batches.statuses(runId);
  const planned = [...statuses].filter(([, status]) => status.code === "p");
  for (let i = 0; i < planned.length; i += AT_ONCE) {
    const some = planned.slice(i, i + AT_ONCE);
    const mended = await Promise.all(some.map(([key, status]) => mendBatch(parts, runId, key, status)));
    some.forEach(([batch], n) => {
      const repair = mended[n];
      if (repair) repairs.push({ runId, batch, repair });
    });
  }
  if (planned.length === 0 && (await mendFinish(parts, run))) {
    repairs.push({ runId, batch: finishKey(run.round), repair: "finish added" });
  }
  for (const repair of repairs) {
    logger.warn({ event: "repair", provider: queue.name, ...repair }, `repaired: ${repair.repair}`);
  }
  return repairs;
}

async function mendBatch(
  { batches, queue, deadLetters, badRecords }: ReconcilerParts,
  runId: string,
  key: string,
  status: BatchStatus,
): Promise<Repair["repair"] | undefined> {
  const id = jobId({ runId, batch: key, generation: status.generation });
  const state = await queue.state(id);
  if (state === "queued") return undefined;
  const [entry] = await batches.entries(runId, [key]);
  if (!entry) return undefined;
  if (state === "gone") {
    await queue.addBatches(runId, [entry], status.generation);
    return "job added";
  }
  if (state === "failed") {
    const job = await queue.failedJob(id);
    if (!job) return undefined;
    const { facts, rawBytes } = await badRecords.of(entry);
    const dead = { ...entry, subject: facts?.id ?? entry.key };
    await deadLetters.markBatchDead(runId, dead, null, failureOf(job, rawBytes));
    return "burial caught up";
  }
  // Completed, yet its checkpoint is not there: Redis forgot its last moments.
  const generation = await batches.raiseGeneration(runId, key, status);
  if (generation === 0) return undefined;
  await queue.addBatches(runId, [entry], generation);
  return "job replaced";
}

async function mendFinish({ runs, queue }: ReconcilerParts, run: RunRecord): Promise<boolean> {
  const id = jobId({ runId: run.id, batch: finishKey(run.round), generation: run.finishGeneration + 1 });
  const state = await queue.state(id);
  if (state === "queued") return false;
  const generation = state === "gone" ? run.finishGeneration : await runs.nextFinishGeneration(run.id);
  await queue.addFinish(run.id, run.pass, run.round, generation);
  return true;
}
