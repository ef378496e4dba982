/**
 * Every kind of job: its name, the shape of its data and its options. Ids are hashes: outside text never becomes a key.
 */

import type { DefaultJobOptions } from "bullmq";
import { z } from "zod";
import { UeeError } from "../core/errors.ts";
import { sha256 } from "../core/sha256.ts";

/** Largest job payload in bytes. A larger one is staged, and the job refers to it. */
const MAX_PAYLOAD_BYTES = 16 * 1024;

/** Attempts of a batch before it goes to the dead letters. Deferrals spend none. */
const BATCH_ATTEMPTS = 8;

export const batchJob = z.strictObject({
  provider: z.string(),
  runId: z.string(),
  /** Key of the batch within its run; of the finish step: `finish/<round>`. */
  batch: z.string(),
  pass: z.int().positive(),
  generation: z.int().positive(),
  size: z.int().nonnegative(),
  payload: z.unknown(),
  /** In a replay run: the dead letter that is replayed, and the run and batch in which it failed first. */
  letter: z.strictObject({ letter: z.string(), runId: z.string(), batch: z.string() }).optional(),
});
export type BatchJob = z.infer<typeof batchJob>;

export const runJob = z.strictObject({
  provider: z.string(),
  mode: z.enum(["incremental", "full", "reconcile"]),
  allowShrink: z.boolean().optional(),
  allowOlder: z.boolean().optional(),
  actor: z.string().max(200).optional(),
  reason: z.string().max(500).optional(),
});

/** The job that a schedule adds to `runs` at each of its slots. */
export const scheduledJob = z.strictObject({
  provider: z.string(),
  mode: z.enum(["incremental", "full", "reconcile"]),
});
export type ScheduledJob = z.infer<typeof scheduledJob>;

/**
 * batch: a slice of a run · record: one bad record by itself · finish: remove, verify, close · run: opens a run ·
 * scheduled: a slot of a schedule
 */
export type JobName = "batch" | "record" | "finish" | "run" | "scheduled";

/** Completed jobs and events are bounded; failed ones are the dead letters and are never trimmed. */
export const jobOptions: DefaultJobOptions = {
  attempts: BATCH_ATTEMPTS,
  backoff: { type: "custom" },
  removeOnComplete: { count: 200 },
  // @safeguard failed-sets-kept
  removeOnFail: false,
  stackTraceLimit: 3,
  keepLogs: 20,
};

/** Each slot removes the jobs of the queue `runs` that completed long ago: their results were read. */
export const scheduledJobOptions: DefaultJobOptions = {
  attempts: 1,
  removeOnComplete: { age: 7 * 86_400, count: 10_000 },
  removeOnFail: false,
};

export const jobId = (job: Pick<BatchJob, "runId" | "batch" | "generation">): string =>
  `b-${sha256(`${job.runId}\n${job.batch}\n${job.generation}`).slice(0, 40)}`;

export const finishKey = (round: number): string => `finish/${round}`;

/** @throws UeeError RPC_PAYLOAD_TOO_LARGE */
export function checkedJob(job: BatchJob): BatchJob {
  const bytes = Buffer.byteLength(JSON.stringify(job));
  if (bytes > MAX_PAYLOAD_BYTES) {
    throw new UeeError("RPC_PAYLOAD_TOO_LARGE", `Batch ${job.batch} has a payload of ${bytes} bytes.`);
  }
  return job;
}
