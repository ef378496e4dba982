/** The state of the line to the server, as the page shows it. Times in ms of this browser's clock. */
export interface Link {
  /** `connecting`: for the first time. `lost`: no connection; the next try comes at `nextTryAt`. */
  phase: "connecting" | "live" | "stale" | "lost";
  /** When the last event came; null before the first. */
  heardAt: number | null;
  nextTryAt: number | null;
  /** How often it was tried in vain since it was last heard. */
  tries: number;
  /** Server's clock less ours, ms: ages are told by the server's. */
  skewMs: number;
}

export const noLink: Link = { phase: "connecting", heardAt: null, nextTryAt: null, tries: 0, skewMs: 0 };

/** The server sends a pulse every second. */
export const staleAfterMs = 5_000;
export const lostAfterMs = 10_000;

/**
 * A new line opens within this, ms, or is given up for another. A network that forgot one connection has forgotten those that
 * the browser keeps for later too, and takes them first: so the first few tries are short.
 */
export const openWithinMs = (tries: number): number => (tries <= 6 ? 3_000 : lostAfterMs);

/** Between two tries, ms: soon at first, then patient, never in step with other pages. `hung`: nobody refused. */
export const retryDelay = (tries: number, hung: boolean, random: number): number =>
  (hung && tries <= 6 ? 250 : Math.min(15_000, 500 * 2 ** Math.min(tries, 10))) * (0.75 + 0.5 * random);
