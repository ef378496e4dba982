/** The result of the last action at each place of the page: success, or the API's refusal. */
import type { ApiError } from "../../api/schemas.ts";
import { createStore } from "./store.ts";

export interface Outcome {
  done: boolean;
  text: string;
  error?: ApiError;
}

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
