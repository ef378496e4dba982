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

export class Reconciler {
  readonly #p: ReconcilerParts;

  constructor(parts: ReconcilerParts) {
    this.#p = parts;
  }

  async runOnce(): Promise<Repair[]> {
    const runId = await this.#p.runs.openRunId();
    // @safeguard reconciler-open-run
    if (runId === null) return [];
    const run = await this.#p.runs.read(runId);
    if (run === undefined || run.state === "closed") return [];
    const repairs: Repair[] = [];
    const statuses = await this.#p.batches.statuses(runId);
    const planned = [...statuses].filter(([, status]) => status.code === "p");
    for (let i = 0; i < planned.length; i += AT_ONCE) {
      const some = planned.slice(i, i + AT_ONCE);
      const mended = await Promise.all(some.map(([key, status]) => this.#mendBatch(runId, key, status)));
      some.forEach(([batch], n) => {
        const repair = mended[n];
        if (repair) repairs.push({ runId, batch, repair });
      });
    }
    if (planned.length === 0 && (await this.#mendFinish(run))) {
      repairs.push({ runId, batch: finishKey(run.round), repair: "finish added" });
    }
    for (const repair of repairs) {
      this.#p.logger.warn(
        { event: "repair", provider: this.#p.queue.name, ...repair },
        `repaired: ${repair.repair}`,
      );
    }
    return repairs;
  }

  async #mendBatch(runId: string, key: string, status: BatchStatus): Promise<Repair["repair"] | undefined> {
    const id = jobId({ runId, batch: key, generation: status.generation });
    const state = await this.#p.queue.state(id);
    if (state === "queued") return undefined;
    const [entry] = await this.#p.batches.entries(runId, [key]);
    if (!entry) return undefined;
    if (state === "gone") {
      await this.#p.queue.addBatches(runId, [entry], status.generation);
      return "job added";
    }
    if (state === "failed") {
      const job = await this.#p.queue.failedJob(id);
      if (!job) return undefined;
      const record =
        entry.kind === "record" ? (entry.payload as { deadLetterId: string }).deadLetterId : null;
      const [facts, rawBytes] =
        record === null
          ? [undefined, 0]
          : await Promise.all([this.#p.badRecords.facts(record), this.#p.badRecords.size(record)]);
      const buried = { ...entry, subject: facts?.id ?? entry.key };
      await this.#p.deadLetters.markBatchDead(runId, buried, null, failureOf(job, rawBytes));
      return "burial caught up";
    }
    // Completed, yet its checkpoint is not there: Redis forgot its last moments.
    const generation = await this.#p.batches.raiseGeneration(runId, key, status);
    if (generation === 0) return undefined;
    await this.#p.queue.addBatches(runId, [entry], generation);
    return "job replaced";
  }

  async #mendFinish(run: RunRecord): Promise<boolean> {
    const id = jobId({ runId: run.id, batch: finishKey(run.round), generation: run.finishGeneration + 1 });
    const state = await this.#p.queue.state(id);
    if (state === "queued") return false;
    const generation =
      state === "gone" ? run.finishGeneration : await this.#p.runs.nextFinishGeneration(run.id);
    await this.#p.queue.addFinish(run.id, run.pass, run.round, generation);
    return true;
  }
}
