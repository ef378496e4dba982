/**
 * What a failed call says of its upstream's health. `failure` counts towards opening, and re-opens when a probe meets it;
 * `nothing` neither opens nor closes. docs/breakers.md has the table for people.
 */
import type { ErrorClass, UeeError } from "../core/errors.ts";

export type Weight = "failure" | "nothing";

const byClass: Record<ErrorClass, Weight> = {
  // The upstream is well and says when it wants to be asked again: the fleet's limit waits.
  throttle: "nothing",
  overload: "failure",
  transient: "failure",
  corrupt: "failure",
  // Ours: pages to be made smaller, shutdown, a lost lock, Redis.
  deferred: "nothing",
  // Somebody must change a setting; the upstream answered.
  configuration: "nothing",
  permanent: "nothing",
  refused: "nothing",
};

export const weigh = (error: UeeError): Weight =>
  // Overloaded, but it names the time: that is a throttle in other words.
  error.data.toldToWait === true ? "nothing" : byClass[error.class];
