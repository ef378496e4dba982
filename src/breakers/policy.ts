/** When a breaker opens and for how long. Pure. */

export interface BreakerPolicy {
  /** Calls of the fleet that must fail in a row. */
  threshold: number;
  /** How long it stays open at first, and at most, ms; twice as long after each probe that fails. */
  firstOpenMs: number;
  longestOpenMs: number;
  /** Share of that time by which it is drawn out at random: the breakers of several mirrors do not probe in step. */
  jitter: number;
  /** How soon a probe that learned nothing is followed by another, ms. */
  pauseMs: number;
  /** How soon a call that met a probe under way should come again, ms. */
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

/** All waits multiplied, as UEE_WAIT_SCALE says. */
export const scaled = (policy: BreakerPolicy, by: number): BreakerPolicy => ({
  ...policy,
  firstOpenMs: policy.firstOpenMs * by,
  longestOpenMs: policy.longestOpenMs * by,
  pauseMs: policy.pauseMs * by,
  probingMs: policy.probingMs * by,
});

/** How long to stay open after so many probes in a row have failed (0: it opens for the first time), ms. */
export function openMs(
  policy: BreakerPolicy,
  failedProbes: number,
  random: () => number = Math.random,
): number {
  const drawnOut = 1 + policy.jitter * random();
  const doubled = policy.firstOpenMs * 2 ** Math.min(failedProbes, 30);
  // The longest time is the longest with its jitter, so that there is some at that end too.
  const nominal = Math.min(doubled, policy.longestOpenMs / (1 + policy.jitter));
  return Math.ceil(nominal * drawnOut);
}
