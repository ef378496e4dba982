/**
 * The machine of the whole fleet. It is moved by provider transitions, by the rules below, applied exactly once and
 * in order by the pump (macroPump.ts), and by the start and stop of the fleet.
 */
import { defineMachine, type Machine } from "./defineMachine.ts";
import type { ProviderState } from "./providerMachine.ts";

export const macroMachine = defineMachine({
  name: "macro",
  initial: "BOOTSTRAPPING",
  states: {
    BOOTSTRAPPING: "The fleet has started and no run has begun since.",
    ORCHESTRATING: "Runs are in progress or have ended; no provider is held up.",
    STABILIZING: "At least one provider is held up: waiting for permits or its upstream, or paused.",
    DRAINING: "The last worker stops or has stopped; batches return to their queues and none begins.",
  },
  events: {
    provider_started: "A provider has a run in progress.",
    provider_troubled: "A provider began to wait or was paused.",
    providers_well: "No provider is held up any more.",
    drain: "The last worker of the fleet shuts down.",
    start: "A worker starts.",
  },
  table: {
    BOOTSTRAPPING: {
      provider_started: { to: "ORCHESTRATING", v2e: true, why: "A run is in progress." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet stops before any run." },
      start: { stays: "keeps", why: "Another worker of a running fleet." },
    },
    ORCHESTRATING: {
      provider_troubled: { to: "STABILIZING", v2e: true, why: "A provider is held up." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet stops; open runs stay open and continue later." },
      start: { stays: "keeps", why: "Another worker of a running fleet." },
    },
    STABILIZING: {
      providers_well: { to: "ORCHESTRATING", v2e: true, why: "Every provider runs or has ended its run." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet stops; waits and pauses stay." },
      start: { stays: "keeps", why: "Another worker of a running fleet." },
    },
    DRAINING: {
      drain: { stays: "keeps", why: "The fleet is already stopping." },
      start: {
        to: "BOOTSTRAPPING",
        why: "A mirror outlives its fleet: after a deploy or a night's stop, workers start again. The providers' last states are kept, so a fleet that stopped during a run is ORCHESTRATING or STABILIZING in the same step.",
      },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type MacroState = Named<typeof macroMachine>["state"];
export type MacroEvent = Named<typeof macroMachine>["event"];

export interface ProviderSays {
  /** The provider has a run in progress. */
  active: boolean;
  /** `keeps`: the previous value stays. */
  held: "yes" | "no" | "keeps";
}

/**
 * What a provider's state means for the macro machine. ACQUIRING does not change whether a provider counts as held
 * up: a provider that asks for a permit after a wait is healthy only when it gets one. Otherwise every unsuccessful
 * attempt would move the fleet's state back and forth.
 */
export const providerSays: Readonly<Record<ProviderState, ProviderSays>> = {
  IDLE: { active: false, held: "no" },
  ACQUIRING: { active: true, held: "keeps" },
  RUNNING: { active: true, held: "no" },
  WAITING_QUOTA: { active: true, held: "yes" },
  WAITING_BACKOFF: { active: true, held: "yes" },
  PAUSED: { active: false, held: "yes" },
  TERMINATED: { active: false, held: "no" },
};

export type Sight = "active" | "held" | "well";

/** In this state, when the fleet's providers look like this, this event follows. Repeated until no rule applies. */
export const macroRules: Readonly<Partial<Record<MacroState, { sees: Sight; event: MacroEvent }>>> = {
  BOOTSTRAPPING: { sees: "active", event: "provider_started" },
  ORCHESTRATING: { sees: "held", event: "provider_troubled" },
  STABILIZING: { sees: "well", event: "providers_well" },
};
