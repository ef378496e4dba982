/** How a batch ends, as a value; queues/takenJob.ts reports it to BullMQ. */
import { type ErrorClass, toUeeError, type UeeError } from "../core/errors.ts";
import type { JobOutcome } from "../queues/takenJob.ts";

type As<Kind extends JobOutcome["kind"]> = Extract<JobOutcome, { kind: Kind }>;

/** `attempt`: the one that failed, from 1, of so many. A fatal outcome fails the run at once, this job with it. */
export type Outcome =
  | As<"done" | "dead" | "fatal">
  | (As<"retry"> & { attempt: number; attempts: number })
  | (As<"defer" | "abandon"> & { error: UeeError });

type Verdict = "defer" | "spend" | "dead" | "fatal";

const byClass: Record<ErrorClass, Verdict> = {
  throttle: "defer",
  overload: "defer",
  deferred: "defer",
  transient: "spend",
  corrupt: "spend",
  configuration: "fatal",
  permanent: "dead",
  refused: "dead",
};

/** Codes that end an attempt without a report to the queue: another attempt has the batch, or the run is over. */
const superseded = new Set(["STOR_FENCED", "RPC_LOCK_LOST", "RPC_JOB_GONE"]);

/**
 * A bare 404 is a wrong address or a passing lie of the upstream's front: it is asked again a few times before it counts
 * as a wrong configuration.
 */
const doubted: Record<string, number> = { PROV_NOT_FOUND: 5 };

/** Default wait of a deferral that names none, ms. */
const DEFER_MS = 1000;
/** Enough to keep pods apart; more would only make a rate window longer. */
const MOST_JITTER_MS = 500;

export function outcomeOf(
  thrown: unknown,
  attempt: { made: number; allowed: number },
  random: () => number = Math.random,
): Outcome {
  const error = toUeeError(thrown);
  if (superseded.has(error.code)) return { kind: "abandon", error };
  if (error.code === "STOR_RUN_CLOSED") return { kind: "done", summary: { skipped: "run closed" } };
  if (error.code === "SYS_SHUTDOWN") return { kind: "defer", delayMs: 0, error };
  const verdict = byClass[error.class];
  const failed = attempt.made + 1;
  const again = (attempts: number): Outcome => ({ kind: "retry", attempt: failed, attempts, error });
  if (verdict === "defer") {
    // Jitter on top, never below what the upstream asked for.
    const base = error.retryAfterMs ?? DEFER_MS;
    return {
      kind: "defer",
      delayMs: Math.ceil(base + random() * Math.min(base * 0.1, MOST_JITTER_MS)),
      error,
    };
  }
  if (verdict === "fatal") {
    const attempts = Math.min(doubted[error.code] ?? 0, attempt.allowed);
    return failed < attempts ? again(attempts) : { kind: "fatal", error };
  }
  if (verdict === "dead" || error.data.final === true || failed >= attempt.allowed)
    return { kind: "dead", error };
  return again(attempt.allowed);
}

/** Wait before attempt n + 1 (n made so far, from 1), ms: exponential with full jitter above its half, at most a minute. */
export function backoffMs(made: number, waitScale: number, random: () => number = Math.random): number {
  const ceiling = Math.min(60_000, 1000 * 2 ** (made - 1));
  return Math.ceil((ceiling / 2 + (random() * ceiling) / 2) * waitScale);
}
