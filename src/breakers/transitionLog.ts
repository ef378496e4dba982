/** The log line of a transition, written by the process that made it. */
import type { Logger } from "../core/logger.ts";
import type { BreakerTransition } from "./report.ts";

export function logBreakerTransition(logger: Logger, transition: BreakerTransition): void {
  const { upstream, oldState, newState, trigger, reason, failures, failedProbes, until } = transition;
  const level = newState === "open" ? "warn" : "info";
  logger[level](
    {
      event: "breaker_transition",
      upstream,
      old_state: oldState,
      new_state: newState,
      trigger,
      reason,
      failures,
      failed_probes: failedProbes,
      until,
      actor: transition.actor,
      version: transition.version,
    },
    `${upstream}'s circuit breaker: ${oldState} → ${newState}${reason === null ? "" : ` (${reason})`}`,
  );
}
