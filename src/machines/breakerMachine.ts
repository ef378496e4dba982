/** The machine of one upstream's circuit breaker, shared by the fleet. */
import { defineMachine, type Machine } from "./defineMachine.ts";

export const breakerMachine = defineMachine({
  name: "breaker",
  initial: "closed",
  states: {
    closed: "Calls go through.",
    open: "No call is made before a known time.",
    half_open: "One call, the probe, is made for the whole fleet; all other calls wait for its result.",
  },
  events: {
    trip: "The threshold of consecutive failed calls of the fleet was reached.",
    probe_begins: "A call is requested after the open period: it gets the probe token, under a lease.",
    probe_succeeded: "The call of the token's holder succeeded, including its body.",
    probe_failed: "The call of the token's holder failed.",
    probe_void:
      "The call said nothing about the upstream's health: it was throttled, its configuration is wrong, or it was cancelled.",
    prober_lost: "The token's lease expired: its holder died, hangs or sleeps.",
    reset: "An operator closes the breaker.",
  },
  table: {
    closed: {
      trip: { to: "open", why: "Further calls would load the upstream and spend attempts without result." },
      reset: { stays: "keeps", why: "It is closed already." },
    },
    open: {
      probe_begins: {
        to: "half_open",
        guard: "until",
        why: "The open period is over: one request finds out whether the upstream is healthy.",
      },
      reset: { to: "closed", by: "person", why: "The operator knows that the upstream is repaired." },
    },
    half_open: {
      probe_succeeded: { to: "closed", why: "The upstream is healthy." },
      probe_failed: { to: "open", why: "The upstream is not healthy yet: the next wait is twice as long." },
      probe_void: {
        to: "open",
        why: "The probe learned nothing: another one follows soon, and the wait does not grow.",
      },
      prober_lost: {
        to: "open",
        why: "The result of that probe will not arrive; the call that notices this probes next, in the same step.",
      },
      reset: { to: "closed", by: "person", why: "As above; the result of the probe no longer counts." },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type BreakerState = Named<typeof breakerMachine>["state"];
export type BreakerEvent = Named<typeof breakerMachine>["event"];
