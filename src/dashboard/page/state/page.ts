/** The state of the whole page. */
import type { Session } from "../../api/schemas.ts";
import { emptyFleet, type Fleet } from "./fleet.ts";
import { type Link, noLink } from "./link.ts";
import { createStore } from "./store.ts";

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
