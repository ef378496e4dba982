import { UeeError } from "../core/errors.ts";
import type { BreakerPolicy } from "./policy.ts";
import type { BreakerView } from "./report.ts";

/** The reason why a call is not made. It stays the same during the wait, so it can be stored as a reason. */
export function openError(
  view: BreakerView,
  policy: Pick<BreakerPolicy, "probingMs">,
  cause?: UeeError,
): UeeError {
  const { upstream, state, remainingMs, until, lastFailure, probe } = view;
  const last = lastFailure ? `; the last failure: ${lastFailure.code}: ${lastFailure.message}` : "";
  const said =
    state === "half_open"
      ? `The circuit breaker of ${upstream} is half open: ${probe?.by ?? "a process"} tries for all whether the upstream is well.`
      : `The circuit breaker of ${upstream} is open after ${view.consecutiveFailures} failures in a row${last}`;
  return new UeeError("PROV_CIRCUIT_OPEN", said, {
    retryAfterMs: state === "open" ? Math.max(1, remainingMs) : Math.max(1, policy.probingMs),
    data: { upstream, state, until },
    cause,
  });
}
