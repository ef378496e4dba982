/**
 * The only place that speaks BullMQ outcomes. It moves the job itself, in every case, so that what goes wrong meanwhile is
 * ours to judge: BullMQ would count a Redis in trouble as a failure of the job.
 *  done     the job completes with a small summary
 *  retry    an attempt is spent; BullMQ asks the back-off strategy when to come again, and that answers what was decided
 *  defer    back to waiting, at once or after a delay; spends none
 *  dead     straight to the failed set, attempts left or not
 *  abandon  nothing is moved: the lock is somebody else's, or runs out
 *
 * Always throws: the marker that tells BullMQ that the job needs nothing more, or what the queue or Redis said.
 */
import { DelayedError, type Job, UnrecoverableError, WaitingChildrenError, WaitingError } from "bullmq";
import { backoffMs, type Outcome } from "./outcome.ts";

/** Carries the wait that was decided, and told to those who watch, to BullMQ's back-off strategy. */
class BackoffError extends Error {
  readonly delayMs: number | undefined;
  constructor({ error, delayMs }: Extract<Outcome, { kind: "retry" }>) {
    super(error.message);
    this.delayMs = delayMs;
  }
}

/** BullMQ's back-off strategy: what was decided, or else what the number of attempts says. */
export const decidedBackoffMs = (made: number, error: Error | undefined, waitScale: number): number =>
  (error instanceof BackoffError ? error.delayMs : undefined) ?? backoffMs(made, waitScale);

export async function settle(outcome: Outcome, job: Job, token: string): Promise<never> {
  switch (outcome.kind) {
    case "done":
      await job.moveToCompleted(outcome.summary, token, false);
      break;
    case "retry":
      await job.moveToFailed(new BackoffError(outcome), token);
      break;
    case "dead":
    case "fatal":
      await job.moveToFailed(new UnrecoverableError(outcome.error.message), token);
      break;
    case "defer":
      if (outcome.delayMs <= 0) await job.moveToWait(token);
      else await job.moveToDelayed(Date.now() + outcome.delayMs, token);
      break;
    case "abandon":
      break;
  }
  throw new WaitingError();
}

/** The job is settled: BullMQ must hear of nothing else. */
export const isSettled = (thrown: unknown): boolean =>
  thrown instanceof WaitingError || thrown instanceof DelayedError || thrown instanceof WaitingChildrenError;
