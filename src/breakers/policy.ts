/** What counts as a failure, when a breaker opens and for how long. Pure functions. */
import type { ErrorClass, UeeError } from "../core/errors.ts";

export interface BreakerPolicy {
  /** Consecutive failed calls of the fleet that open the breaker. */
  threshold: number;
  /** First and longest open period, ms; the period doubles after each failed probe. */
  firstOpenMs: number;
  longestOpenMs: number;
  /** Random share that is added to the period, so that breakers of several mirrors do not probe at the same time. */
  jitter: number;
  /** Wait after a probe that learned nothing, ms. */
  pauseMs: number;
  /** Wait of a call that met a probe in progress, ms. */
  probingMs: number;
}

export const breakerPolicy: BreakerPolicy = {
  threshold: 5,
  firstOpenMs: 30_000,
  longestOpenMs: 600_000,
  jitter: 0.2,
  pauseMs: 1_000,
  probingMs: 5_000,
};

/** All waits are multiplied by UEE_WAIT_SCALE. */
export const scaled = (policy: BreakerPolicy, by: number): BreakerPolicy => ({
  ...policy,
  firstOpenMs: policy.firstOpenMs * by,
  longestOpenMs: policy.longestOpenMs * by,
  pauseMs: policy.pauseMs * by,
  probingMs: policy.probingMs * by,
});

/** Open period after this many consecutive failed probes (0: the breaker opens for the first time), ms. */
export function openMs(
  policy: BreakerPolicy,
  failedProbes: number,
  random: () => number = Math.random,
): number {
  const drawnOut = 1 + policy.jitter * random();
  const doubled = policy.firstOpenMs * 2 ** Math.min(failedProbes, 30);
  // The maximum includes the jitter, so that the longest period varies too.
  const nominal = Math.min(doubled, policy.longestOpenMs / (1 + policy.jitter));
  return Math.ceil(nominal * drawnOut);
}

/**
 * What a failed call says about the upstream's health. `failure` counts towards opening and reopens the breaker when a
 * probe meets it; `nothing` neither opens nor closes. docs/breakers.md has the table.
 */
export type HealthEffect = "failure" | "nothing";

const byClass: Record<ErrorClass, HealthEffect> = {
  // The upstream is healthy and names the time of the next request; the fleet's rate limit waits.
  throttle: "nothing",
  overload: "failure",
  transient: "failure",
  corrupt: "failure",
  // Our own causes: smaller pages, shutdown, a lost lock, Redis.
  deferred: "nothing",
  // An operator must change a setting; the upstream answered.
  configuration: "nothing",
  permanent: "nothing",
  refused: "nothing",
};

export const classify = (error: UeeError): HealthEffect =>
  // The upstream is overloaded but names a time: this is a throttle.
  error.data.toldToWait === true ? "nothing" : byClass[error.class];
