/** The steps of each kind of job. */
import type { BatchJob } from "../queues/jobCatalog.ts";
import { badRecordBatch } from "../recovery/deadLetters/badRecordBatch.ts";
import { isReplay, replayedBatch } from "../recovery/deadLetters/replayedBatch.ts";
import { type BatchSummary, inAttempt } from "./attempt.ts";
import { type BatchKind, ordinaryBatch } from "./batchKind.ts";
import type { ProviderContext } from "./context.ts";
import { finishRun } from "./finishRun.ts";
import { runBatch } from "./runBatch.ts";
import { validateRecord } from "./validate.ts";

export type Steps = (
  context: ProviderContext,
  job: BatchJob,
  signal: AbortSignal,
  lastAttempt: boolean,
) => Promise<BatchSummary>;

/** By the names of jobs. */
export const stepsOf: Readonly<Record<string, Steps>> = {
  batch: (context, job, signal, lastAttempt) => {
    const kind: BatchKind = isReplay(job) ? replayedBatch(context, job) : ordinaryBatch(job);
    return inAttempt(context, job, kind, signal, (attempt) =>
      runBatch(context, job, kind, attempt, { signal, lastAttempt }),
    );
  },
  record: (context, job, signal) => {
    const kind = badRecordBatch(context, job, validateRecord);
    return inAttempt(context, job, kind, signal, (attempt) => kind.run(attempt, signal));
  },
  finish: finishRun,
};
