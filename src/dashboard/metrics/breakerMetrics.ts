/** Circuit breakers, one per upstream. */

import { breakerMachine } from "../../machines/breakerMachine.ts";
import { statesOf } from "../../machines/defineMachine.ts";
import { counter, type Definition, each, gauge, oneOf } from "./definitions.ts";

export const breakerMetrics: readonly Definition[] = [
  gauge(
    "uee_breaker_state",
    "1 for the present state of the upstream's breaker.",
    ["upstream", "state"],
    ({ breakers }) =>
      breakers.flatMap(({ upstream, state }) => oneOf(statesOf(breakerMachine), state, { upstream })),
  ),
  gauge(
    "uee_breaker_consecutive_failures",
    "Consecutive failed calls of the fleet.",
    ["upstream"],
    ({ breakers }) =>
      breakers.map(({ upstream, consecutiveFailures }) => [{ upstream }, consecutiveFailures] as const),
  ),
  counter(
    "uee_breaker_calls_total",
    "Calls through the breaker by result; rejected calls were not made.",
    ["upstream", "outcome"],
    ({ breakers }) =>
      breakers.flatMap(({ upstream, counts: { successes, failures, ignored, rejections } }) =>
        each(
          "outcome",
          { success: successes, failure: failures, ignored, rejected: rejections },
          { upstream },
        ),
      ),
  ),
  counter("uee_breaker_opens_total", "How often the breaker opened.", ["upstream"], ({ breakers }) =>
    breakers.map(({ upstream, opens }) => [{ upstream }, opens] as const),
  ),
];
