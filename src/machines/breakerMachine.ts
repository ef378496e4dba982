/** The machine of one upstream's circuit breaker, one for the whole fleet. */
import { defineMachine, type Machine } from "./defineMachine.ts";

export const breakerMachine = defineMachine({
  name: "breaker",
  initial: "closed",
  states: {
    closed: "Calls go through.",
    open: "No call is made before a known time.",
    half_open:
      "One call, the probe, is made on behalf of the whole fleet; everybody else waits for what comes of it.",
  },
  events: {
    trip: "So many calls of the fleet failed in a row.",
    probe_begins: "A call is wanted once the time is over: it gets the probe's token, under a lease.",
    probe_succeeded: "The holder of the token was answered well, the body included.",
    probe_failed: "The holder of the token met a failure.",
    probe_void:
      "The holder of the token learned nothing of the upstream's health: it was told to wait, its own configuration is wrong, or it was called off.",
    prober_lost: "The token's lease ran out: its holder died, hangs or sleeps.",
    reset: "A person closes it.",
  },
  table: {
    closed: {
      trip: { to: "open", why: "More of the same would cost the upstream, and spend attempts, for nothing." },
      reset: { stays: "keeps", why: "It is closed already." },
    },
    open: {
      probe_begins: {
        to: "half_open",
        guard: "until",
        why: "The time is over: one request tells whether the upstream is well.",
      },
      reset: { to: "closed", by: "person", why: "A person knows that the upstream is mended." },
    },
    half_open: {
      probe_succeeded: { to: "closed", why: "The upstream is well." },
      probe_failed: { to: "open", why: "It is not well yet: the next wait is twice as long." },
      probe_void: {
        to: "open",
        why: "Nothing was learned: another probe follows soon, the wait does not grow.",
      },
      prober_lost: {
        to: "open",
        why: "Nobody will tell what came of that probe; the call that found out probes next, in the same step.",
      },
      reset: { to: "closed", by: "person", why: "As above; what becomes of the probe no longer counts." },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type BreakerState = Named<typeof breakerMachine>["state"];
export type BreakerEvent = Named<typeof breakerMachine>["event"];
