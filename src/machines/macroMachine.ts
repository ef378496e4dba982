/**
 * The machine of the whole fleet. What moves it: provider transitions, by the rules below, applied exactly once and in
 * order by the pump (macroPump.ts); and the fleet's own coming and going.
 */
import { defineMachine, type Machine } from "./defineMachine.ts";
import type { ProviderState } from "./providerMachine.ts";

export const macroMachine = defineMachine({
  name: "macro",
  initial: "BOOTSTRAPPING",
  states: {
    BOOTSTRAPPING: "The fleet is up and nothing has run since.",
    ORCHESTRATING: "Runs go on, or have ended well; nobody is held up.",
    STABILIZING: "At least one provider is held up: waiting for permits or its upstream, or paused.",
    DRAINING: "The last worker leaves or has left; batches go back, none is begun.",
  },
  events: {
    provider_started: "A provider has a run at work.",
    provider_troubled: "A provider began to wait or was paused.",
    providers_well: "No provider is held up any more.",
    drain: "The last worker of the fleet shuts down.",
    start: "A worker starts.",
  },
  table: {
    BOOTSTRAPPING: {
      provider_started: { to: "ORCHESTRATING", v2e: true, why: "There is work to conduct." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet leaves before anything ran." },
      start: { stays: "keeps", why: "One more worker of a fleet that is up." },
    },
    ORCHESTRATING: {
      provider_troubled: { to: "STABILIZING", v2e: true, why: "Somebody is held up." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet leaves; open runs stay open and go on later." },
      start: { stays: "keeps", why: "One more worker of a fleet that is up." },
    },
    STABILIZING: {
      providers_well: { to: "ORCHESTRATING", v2e: true, why: "Everybody runs or has ended." },
      drain: { to: "DRAINING", v2e: true, why: "The fleet leaves; waits and pauses stand." },
      start: { stays: "keeps", why: "One more worker of a fleet that is up." },
    },
    DRAINING: {
      drain: { stays: "keeps", why: "It leaves already." },
      start: {
        to: "BOOTSTRAPPING",
        why: "The mirror outlives any fleet: one that was shut down, for a deploy or for the night, comes up again. What the providers did last is remembered, so a fleet that left in mid-run is ORCHESTRATING or STABILIZING in the same step.",
      },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type MacroState = Named<typeof macroMachine>["state"];
export type MacroEvent = Named<typeof macroMachine>["event"];

export interface ProviderSays {
  /** The provider has a run at work. */
  active: boolean;
  /** `keeps`: what was said before holds. */
  held: "yes" | "no" | "keeps";
}

/**
 * What a provider's state says to the macro machine. ACQUIRING says nothing about being held up: a provider that asks for
 * a permit after a wait is well only when it gets one. Otherwise every unsuccessful try would move the fleet's state
 * there and back.
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

/** In this state, when the fleet's providers look like this, this event follows. Asked again until nothing follows. */
export const macroRules: Readonly<Partial<Record<MacroState, { sees: Sight; event: MacroEvent }>>> = {
  BOOTSTRAPPING: { sees: "active", event: "provider_started" },
  ORCHESTRATING: { sees: "held", event: "provider_troubled" },
  STABILIZING: { sees: "well", event: "providers_well" },
};
