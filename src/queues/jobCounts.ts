/** How many jobs of a queue are where. */
import type { Queue } from "bullmq";

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
