/**
 * What UEE relies on inside BullMQ, and the way in which it opens a queue. Only this folder knows BullMQ;
 * test/integration/queues/bullmqInternals.test.ts fails when an upgrade changes one of these facts.
 */
import { type ConnectionOptions, type DefaultJobOptions, Queue } from "bullmq";

/** Where a queue lives. */
export interface QueueAddress {
  prefix: string;
  name: string;
}

/** Key of a structure of the queue (`active`, `delayed`, …), of a job by its id, or of a job's lock (id, `lock`). */
export const queueKey = ({ prefix, name }: QueueAddress, ...parts: string[]): string =>
  [prefix, name, ...parts].join(":");

/** Highest score in the set of delayed jobs that is due by `ms`: the upper bits are ms, the lower twelve a counter. */
export const delayedScore = (ms: number): number => (ms + 1) * 4096 - 1;

/** Id of the job that a scheduler adds for a slot (ms). */
export const slotJobId = (scheduler: string, slot: number): string => `repeat:${scheduler}:${slot}`;

/** Events that are kept of each queue. */
const EVENTS_KEPT = 1000;

/**
 * A queue that writes nothing until it is asked to: a process that only reads works on a read-only Redis as well.
 * A lost connection is reported by the calls that fail.
 */
export function openQueue(
  { prefix, name }: QueueAddress,
  connection: ConnectionOptions,
  defaultJobOptions?: DefaultJobOptions,
): Queue {
  const queue = new Queue(name, {
    prefix,
    connection,
    ...(defaultJobOptions ? { defaultJobOptions } : {}),
    skipMetasUpdate: true,
    skipWaitingForReady: true,
  });
  queue.on("error", () => undefined);
  return queue;
}

/** Bounds the queue's event stream, which `openQueue` leaves at BullMQ's default of 10,000. */
export async function boundEvents(
  redis: { hset(key: string, field: string, value: number): Promise<unknown> },
  queue: QueueAddress,
): Promise<void> {
  await redis.hset(queueKey(queue, "meta"), "opts.maxLenEvents", EVENTS_KEPT);
}

export interface JobCounts {
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
}

export async function jobCounts(queue: Queue): Promise<JobCounts> {
  const counts = await queue.getJobCounts("wait", "active", "delayed", "failed", "prioritized");
  return {
    waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0),
    active: counts.active ?? 0,
    delayed: counts.delayed ?? 0,
    failed: counts.failed ?? 0,
  };
}

/** queued: a worker has the job or will take it. gone: there is no such job. */
export type JobState = "queued" | "completed" | "failed" | "gone";

export async function jobState(queue: Queue, id: string): Promise<JobState> {
  const state = await queue.getJobState(id);
  if (state === "completed" || state === "failed") return state;
  return state === "unknown" ? "gone" : "queued";
}
