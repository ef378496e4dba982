/**
 * A job's work and its word to the queue, through whatever trouble Redis has meanwhile. Trouble spends no attempt: it is
 * waited for at the gate, and while the job's lock is still ours all of it is done anew. That harms nothing: an attempt
 * takes a new fence, and what was committed before compares equal.
 */
import type { Job } from "bullmq";
import { UeeError } from "../core/errors.ts";
import { mapQueueError } from "../queues/bullmqErrors.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { isSettled, settle } from "./settle.ts";

/** BullMQ's lock of a job, ms; the same in every pod. */
export const LOCK_MS = 9_000;

export interface GatedWork {
  gate: TroubleGate;
  job: Job;
  token: string;
  /** Fires when the job is to be given up here: its lock is lost, the process shuts down, somebody paused. */
  signal: AbortSignal;
  work(): Promise<Outcome>;
}

/** Throws BullMQ's marker, always: the job is settled, or is somebody else's. */
export async function throughTrouble(options: GatedWork): Promise<never> {
  const { gate, job, token, signal, work } = options;
  const attempts = () => ({ made: job.attemptsMade, allowed: job.opts.attempts ?? 1 });
  for (let waited = gate.trouble !== undefined; ; ) {
    try {
      await gate.whenOpen(signal);
      // Nobody could renew the lock meanwhile.
      const kept = !waited || (await job.extendLock(token, LOCK_MS)) === 1;
      const outcome = kept ? await work() : outcomeOf(new UeeError("RPC_LOCK_LOST"), attempts());
      return await settle(outcome, job, token);
    } catch (thrown) {
      if (isSettled(thrown)) throw thrown;
      if (!signal.aborted && gate.met(thrown)) {
        waited = true;
        continue;
      }
      const error = signal.aborted ? mapRedisError(signal.reason) : mapQueueError(thrown);
      return await settleAtLast(outcomeOf(error, attempts()), options);
    }
  }
}

/** What Redis does not take now is left to the lock's end: then somebody else has the job. */
async function settleAtLast(outcome: Outcome, { gate, job, token }: GatedWork): Promise<never> {
  try {
    return await settle(outcome, job, token);
  } catch (thrown) {
    if (isSettled(thrown)) throw thrown;
    gate.met(thrown);
    return await settle({ kind: "abandon", error: mapRedisError(thrown) }, job, token);
  }
}
