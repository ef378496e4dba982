/**
 * Classifies a failed call by what it says about the upstream's health. `failure` counts towards opening and reopens
 * the breaker when a probe meets it; `nothing` neither opens nor closes. docs/breakers.md has the table.
 */
import type { ErrorClass, UeeError } from "../core/errors.ts";

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
