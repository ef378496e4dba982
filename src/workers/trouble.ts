/**
 * Trouble of Redis as a worker meets it. Trouble spends no attempt: a job waits at the gate, and while its lock is still
 * held all of its work is done again. That harms nothing: an attempt takes a new fence, and what was committed before
 * compares equal.
 */
import { UeeError } from "../core/errors.ts";
import { mapQueueError } from "../queues/bullmqErrors.ts";
import type { QueueConsumer } from "../queues/consumer.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { ProviderContext } from "./context.ts";
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

/** Trouble that is over so soon moves no machine. */
const WORTH_A_STATE_MS = 1_000;
/** How long the machines wait unless the wait is renewed, and how often it is renewed. */
const WAIT_MS = 10_000;
const TELL_EVERY_MS = 4_000;

/**
 * While Redis is in trouble a worker takes no jobs (BullMQ would ask again at once, as fast as Redis refuses), and says
 * in the providers' machines why nothing moves, as far as Redis accepts that. Returns what ends the watch.
 */
export function watchTrouble(
  gate: TroubleGate,
  consumers: readonly QueueConsumer[],
  contexts: readonly ProviderContext[],
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let held = false;

  /** Redis may refuse this too: then only `uee status`, which reads INFO, shows the trouble. */
  const quietly = async (tell: (context: ProviderContext) => Promise<void>): Promise<void> => {
    await Promise.allSettled(contexts.map(tell));
  };
  const hold = async (): Promise<void> => {
    const { trouble } = gate;
    if (trouble === undefined) return;
    held = true;
    await quietly(({ governor }) => governor.holdForRedis(trouble.message, WAIT_MS));
    if (gate.trouble !== undefined) timer = setTimeout(() => void hold(), TELL_EVERY_MS);
  };

  const onChange = (trouble: UeeError | undefined): void => {
    clearTimeout(timer);
    if (trouble !== undefined) {
      for (const consumer of consumers) consumer.pause();
      timer = setTimeout(() => void hold(), WORTH_A_STATE_MS);
      return;
    }
    for (const consumer of consumers) consumer.resume();
    if (held) void quietly(({ governor }) => governor.waitEnded("SYS_REDIS_", "Redis is well again"));
    held = false;
  };

  if (gate.trouble !== undefined) onChange(gate.trouble);
  const unlisten = gate.onChange(onChange);
  return () => {
    unlisten();
    clearTimeout(timer);
  };
}
