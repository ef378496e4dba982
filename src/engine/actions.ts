/** The actions on a provider that people know, and the states in which the machine's table allows them. */
import { isMove, statesOf, stepOf } from "../machines/defineMachine.ts";
import { type ProviderEvent, type ProviderState, providerMachine } from "../machines/providerMachine.ts";
import type { ProviderAction } from "./api.ts";

const eventOf: Readonly<Record<ProviderAction, ProviderEvent>> = {
  start: "open_run",
  pause: "pause",
  resume: "resume",
  stop: "stop",
};

const actions = Object.keys(eventOf) as ProviderAction[];

const moves = (state: ProviderState, action: ProviderAction): boolean => {
  const step = stepOf(providerMachine, state, eventOf[action]);
  return step !== undefined && isMove(step);
};

/** None for a state that no provider can have. */
export const actionsIn = (state: string): ProviderAction[] =>
  actions.filter((action) => moves(state as ProviderState, action));

export const statesFor = (action: ProviderAction): string[] =>
  statesOf(providerMachine).filter((state) => moves(state, action));
