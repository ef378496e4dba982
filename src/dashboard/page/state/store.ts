/** A value that components subscribe to. Listeners are called once per turn, however often it changes. */
export interface Store<State> {
  get(): State;
  change(step: (state: State) => State): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<State>(
  initial: State,
  /** Schedules the work; the page passes the next frame. */
  soon: (work: () => void) => void,
): Store<State> {
  let state = initial;
  let due = false;
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    change(step) {
      const next = step(state);
      if (Object.is(next, state)) return;
      state = next;
      if (due) return;
      due = true;
      soon(() => {
        due = false;
        for (const listener of [...listeners]) listener();
      });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
