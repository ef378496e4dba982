/**
 * Verifies a history: what a breaker's transitions allowed, and what its upstream saw. Times are ms since the epoch of clocks
 * that agree (one machine).
 */
import type { BreakerTransition } from "../../src/breakers/report.ts";

export interface SeenRequest {
  atMs: number;
  status: number;
}

export interface BreakerBounds {
  /** Requests on their way when it opened may still arrive so long, ms. */
  stopWithinMs: number;
  /** How far the clocks may be apart, ms. */
  slackMs: number;
}

const isRedirect = (status: number): boolean => status >= 301 && status <= 308 && status !== 304;

/** `transitions`: of one upstream, the oldest first, whole. What is wrong, in words; empty when all is as it must be. */
export function checkBreaker(
  transitions: readonly BreakerTransition[],
  requests: readonly SeenRequest[],
  { stopWithinMs = 1_000, slackMs = 20 }: Partial<BreakerBounds> = {},
): string[] {
  const breaches: string[] = [];
  let state = "closed";
  let version = 0;
  for (const [i, one] of transitions.entries()) {
    if (one.oldState !== state || one.version !== version + 1) {
      breaches.push(
        `${one.trigger} at ${one.at} leaves ${one.oldState} v${one.version}, it was ${state} v${version}`,
      );
    }
    ({ newState: state, version } = one);
    const from = Date.parse(one.at);
    const to = i + 1 < transitions.length ? Date.parse(transitions[i + 1]!.at) : Number.POSITIVE_INFINITY;
    // A redirect's answer belongs to the request that follows it.
    const within = (start: number) =>
      requests.filter(({ atMs, status }) => atMs > start && atMs < to - slackMs && !isRedirect(status))
        .length;
    if (state === "open") {
      const late = within(from + slackMs + (one.trigger === "trip" ? stopWithinMs : 0));
      if (late > 0) breaches.push(`${late} requests while open (${one.trigger}) from ${one.at}`);
    } else if (state === "half_open") {
      const probes = within(from - slackMs);
      if (probes > 1) breaches.push(`${probes} requests while half open from ${one.at}`);
    }
  }
  return breaches;
}
