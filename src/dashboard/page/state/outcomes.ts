/** What came of the last action at each place of the page: done, or refused with the API's words. */
import type { ApiError } from "../../api/schemas.ts";
import { createStore } from "./store.ts";

export interface Outcome {
  done: boolean;
  text: string;
  error?: ApiError;
}

export const outcomes = createStore<Readonly<Record<string, Outcome>>>({}, (work) => queueMicrotask(work));

/** What was done is soon seen in what is shown; what was refused stays until somebody has read it. */
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
