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

/** The state of the connection to the server. Times in ms of the browser's clock. */
export interface Link {
  /** `connecting`: for the first time. `lost`: no connection; the next attempt is at `nextTryAt`. */
  phase: "connecting" | "live" | "stale" | "lost";
  /** When the last event came; null before the first. */
  heardAt: number | null;
  nextTryAt: number | null;
  /** Failed attempts since the last event. */
  tries: number;
  /** Server clock minus browser clock, ms: ages are computed with the server's clock. */
  skewMs: number;
}

export const noLink: Link = { phase: "connecting", heardAt: null, nextTryAt: null, tries: 0, skewMs: 0 };

/** The server sends a pulse every second. */
export const staleAfterMs = 5_000;
export const lostAfterMs = 10_000;

/**
 * Time for a new connection to open, ms; then another one is tried. A network that dropped one connection has also
 * dropped the browser's idle ones, and the browser uses those first: so the first attempts are short.
 */
export const openWithinMs = (tries: number): number => (tries <= 6 ? 3_000 : lostAfterMs);

/** Delay between two attempts, ms: short at first, then longer, with jitter. `hung`: the attempt got no answer. */
export const retryDelay = (tries: number, hung: boolean, random: number): number =>
  (hung && tries <= 6 ? 250 : Math.min(15_000, 500 * 2 ** Math.min(tries, 10))) * (0.75 + 0.5 * random);
