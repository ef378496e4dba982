/**
 * The only place that speaks BullMQ outcomes.
 *  done     the job completes with a small summary
 *  retry    throwing spends an attempt; BullMQ asks the back-off strategy when to come again
 *  defer    moveToDelayed/moveToWait and their marker errors spend none
 *  dead     UnrecoverableError: straight to the failed set, attempts left or not
 *  abandon  WaitingError without moving anything: the lock is somebody else's, BullMQ just fetches the next job
 */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from "bullmq";
import type { Outcome } from "./outcome.ts";

export async function settle(
  outcome: Outcome,
  job: Job,
  token: string,
): Promise<Record<string, string | number | boolean>> {
  switch (outcome.kind) {
    case "done":
      return outcome.summary;
    case "retry":
      throw new Error(outcome.error.message);
    case "dead":
    case "fatal":
      throw new UnrecoverableError(outcome.error.message);
    case "abandon":
      throw new WaitingError();
    case "defer":
      if (outcome.delayMs <= 0) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      await job.moveToDelayed(Date.now() + outcome.delayMs, token);
      throw new DelayedError();
  }
}
