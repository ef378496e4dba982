/** Instruments for doctoring a history. */
import type { Effect, FinalProvider, HistoryEvent } from "../../chaos/history.ts";

type Fx<Name extends Effect["fx"]> = Extract<Effect, { fx: Name }>;

export interface Doctored {
  /** What is wrong, as the title of a test says it. */
  how: string;
  /** Changes the events, or returns others in their place. */
  doctor(events: HistoryEvent[]): unknown;
}

/** The first effect of this kind. */
export function effect<Name extends Effect["fx"]>(
  events: HistoryEvent[],
  name: Name,
  test: (e: Fx<Name>) => boolean = () => true,
): { e: Fx<Name>; at: number; t: number } {
  const at = events.findIndex(
    (event) => event.k === "fx" && event.e.fx === name && test(event.e as Fx<Name>),
  );
  const event = events[at] as Extract<HistoryEvent, { k: "fx" }>;
  return { e: event.e as Fx<Name>, at, t: event.t };
}

export const isCve = (e: { p: string }): boolean => e.p === "cve";

export function final(events: HistoryEvent[], p = "cve", when = "full"): FinalProvider {
  const found = events.find((event) => event.k === "final" && event.p === p && event.when === when);
  return (found as Extract<HistoryEvent, { k: "final" }>).f;
}

export const insertAt = (events: HistoryEvent[], at: number, t: number, e: Effect): void => {
  events.splice(at, 0, { t, k: "fx", e });
};
