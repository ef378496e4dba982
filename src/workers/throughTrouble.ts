/**
 * A job's work and the report of its outcome, through any trouble that Redis has meanwhile. Trouble spends no attempt: the job
 * waits at the gate, and while its lock is still held all of it is done again. That harms nothing: an attempt
 * takes a new fence, and what was committed before compares equal.
 */
import { UeeError } from "../core/errors.ts";
import { mapQueueError } from "../queues/bullmqErrors.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

export interface GatedWork {
  gate: TroubleGate;
  job: TakenJob;
  /** Fires when the job is to be given up here: its lock is lost, the process shuts down, an operator paused the provider. */
  signal: AbortSignal;
  work(): Promise<Outcome>;
}

/** Resolves when the outcome is reported, or when another consumer has the job. */
export async function throughTrouble(options: GatedWork): Promise<void> {
  const { gate, job, signal, work } = options;
  for (let waited = gate.trouble !== undefined; ; ) {
    try {
      await gate.whenOpen(signal);
      // The lock could not be renewed meanwhile.
      const kept = !waited || (await job.extendLock());
      const outcome = kept ? await work() : outcomeOf(new UeeError("RPC_LOCK_LOST"), job.attempts);
      return await job.report(outcome);
    } catch (thrown) {
      if (!signal.aborted && gate.met(thrown)) {
        waited = true;
        continue;
      }
      const error = signal.aborted ? mapRedisError(signal.reason) : mapQueueError(thrown);
      return await reportOrAbandon(outcomeOf(error, job.attempts), options);
    }
  }
}

/** A job whose outcome Redis does not take now is left until its lock ends; then another consumer takes it. */
async function reportOrAbandon(outcome: Outcome, { gate, job }: GatedWork): Promise<void> {
  try {
    await job.report(outcome);
  } catch (thrown) {
    gate.met(thrown);
  }
}
