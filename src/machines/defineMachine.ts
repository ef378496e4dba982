/**
 * State machines are tables: for every state, the effect of each event. Combinations that are not listed are illegal.
 * The scripts get these tables (luaTables.ts); diagrams and docs/state-machines.md are generated from them, and
 * `npm run check` compares them.
 */

/** Moves the machine to another state. */
export interface Move<State extends string> {
  readonly to: State;
  /** Why this transition is legal, in one sentence; shown in the docs. */
  readonly why: string;
  /** A transition that v2e had; the others are additions of this engine. */
  readonly v2e?: true;
  /** Reserved for operators. */
  readonly by?: "person";
  /** The event is applied again in the new state, in the same step: that state is passed through. */
  readonly again?: true;
  /** `until`: ignored by Redis TIME while the wait of the state lasts. */
  readonly guard?: "until";
}

/**
 * Legal, and the state stays: a late or repeated event, or one from a pod with an outdated view. `refreshes` takes
 * the event's reason and details; the end of a wait only ever moves later.
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
  /** State → its meaning. */
  readonly states: Readonly<Record<State, string>>;
  /** Event → when it is requested. */
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

/**
 * The states in which the event is legal. States where it changes nothing are listed only if it moves the machine in
 * none.
 */
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
