/** The state of the whole page. */
import type { ApiError, Session } from "../../api/schemas.ts";
import { emptyFleet, type Fleet } from "./fleet.ts";
import { createStore, type Link, noLink } from "./store.ts";

export type Entry =
  | { phase: "asking" }
  | { phase: "unreachable"; message: string; remedy: string }
  /** `ended`: the login is no longer valid. */
  | { phase: "login"; ended: boolean }
  | { phase: "in"; session: Session };

export interface PageState {
  entry: Entry;
  fleet: Fleet;
  link: Link;
}

/** The next frame; hidden tabs have none, so a timer is used. */
const soon = (work: () => void): void => {
  if (document.visibilityState === "visible") requestAnimationFrame(work);
  else window.setTimeout(work, 250);
};

export const page = createStore<PageState>(
  { entry: { phase: "asking" }, fleet: emptyFleet, link: noLink },
  soon,
);

/** ms by the server's clock, every second. */
export const clock = createStore(Date.now(), soon);

export const serverNow = (): number => Date.now() + page.get().link.skewMs;

/** The result of an action: success, or the API's refusal. */
interface Outcome {
  done: boolean;
  text: string;
  error?: ApiError;
}

/** The last one at each place of the page. */
export const outcomes = createStore<Readonly<Record<string, Outcome>>>({}, (work) => queueMicrotask(work));

/** A success soon shows in the data; a refusal stays until it is dismissed. */
const doneIsNewsMs = 10_000;

export function tell(place: string, outcome: Outcome): void {
  outcomes.change((all) => ({ ...all, [place]: outcome }));
  if (!outcome.done) return;
  setTimeout(() => {
    if (outcomes.get()[place] === outcome) forget(place);
  }, doneIsNewsMs);
}

export const forget = (place: string): void =>
  outcomes.change((all) => {
    const { [place]: _gone, ...rest } = all;
    return rest;
  });
