/** The log line of a transition, written by the process that requested it. */
import type { Logger } from "../core/logger.ts";
import type { Transition } from "./request.ts";

export function logTransition(logger: Logger, transition: Transition<string, string>): void {
  const { machine, providerId, oldState, newState, reason } = transition;
  logger.info(
    {
      event: "fsm_transition",
      machine,
      provider_id: providerId,
      urn: transition.urn,
      old_state: oldState,
      new_state: newState,
      trigger: transition.trigger,
      actor: transition.actor,
      version: transition.version,
      processed: transition.processed,
      errors: transition.errors,
      permits: transition.permits,
      reason,
    },
    `${providerId ?? machine}: ${oldState} → ${newState}${reason === null ? "" : ` (${reason})`}`,
  );
}
