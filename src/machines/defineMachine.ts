/**
 * State machines are tables: for every state, what each event does there. What a table does not list is illegal. Scripts
 * (lua/*.lua), diagrams and docs/state-machines.md are generated from the tables and held to them by `npm run check`.
 */

/** Takes the machine to another state. */
export interface Move<State extends string> {
  readonly to: State;
  /** Why this is legal, in a sentence; it goes into the docs. */
  readonly why: string;
  /** A transition that v2e had; the others are this engine's additions. */
  readonly v2e?: true;
  /** Refused to anybody but a person. */
  readonly by?: "person";
  /** The event is then asked again in the new state, in the same step: the way on leads through that state. */
  readonly again?: true;
  /** `until`: nothing happens while the wait that the state keeps still lasts, by Redis TIME. */
  readonly guard?: "until";
}

/**
 * Legal, and the state stays: what came late, twice, or from a pod that did not know. `refreshes` takes over the event's
 * reason and details; a wait's end only ever moves out.
 */
export interface Stay {
  readonly stays: "keeps" | "refreshes";
  readonly why: string;
}

export type Step<State extends string> = Move<State> | Stay;

export type MachineTable<State extends string, Event extends string> = {
  readonly [S in State]: { readonly [E in Event]?: Step<State> };
};

export interface Machine<State extends string, Event extends string> {
  readonly name: string;
  readonly initial: State;
  /** State → what it means. */
  readonly states: Readonly<Record<State, string>>;
  /** Event → when it is asked for. */
  readonly events: Readonly<Record<Event, string>>;
  readonly table: MachineTable<State, Event>;
}

/** A target, state or event that is not named in `states` and `events` does not compile. */
export function defineMachine<
  const States extends Readonly<Record<string, string>>,
  const Events extends Readonly<Record<string, string>>,
>(definition: {
  name: string;
  initial: NoInfer<keyof States & string>;
  states: States;
  events: Events;
  table: NoInfer<MachineTable<keyof States & string, keyof Events & string>>;
}): Machine<keyof States & string, keyof Events & string> {
  return definition;
}

export const isMove = <State extends string>(step: Step<State>): step is Move<State> => "to" in step;

export const statesOf = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
): State[] => Object.keys(machine.states) as State[];

export const eventsOf = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
): Event[] => Object.keys(machine.events) as Event[];

export const stepOf = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
  state: State,
  event: Event,
): Step<State> | undefined => machine.table[state]?.[event];

/** The states in which the event is legal; those in which it would change nothing come only where none would move. */
export function statesThatAllow<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  event: Event,
): State[] {
  const legal = statesOf(machine).filter((state) => stepOf(machine, state, event) !== undefined);
  const moving = legal.filter((state) => isMove(stepOf(machine, state, event) as Step<State>));
  return moving.length > 0 ? moving : legal;
}

export interface ListedMove<State extends string, Event extends string> extends Move<State> {
  readonly from: State;
  readonly event: Event;
}

/** Every transition of the table, in its order. */
export const movesOf = <State extends string, Event extends string>(
  machine: Machine<State, Event>,
): ListedMove<State, Event>[] =>
  statesOf(machine).flatMap((from) =>
    eventsOf(machine).flatMap((event) => {
      const step = stepOf(machine, from, event);
      return step !== undefined && isMove(step) ? [{ from, event, ...step }] : [];
    }),
  );
