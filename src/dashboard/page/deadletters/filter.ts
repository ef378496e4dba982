/** The filter of dead letters; list, dry run and action share it, so that they agree. */
import type { DeadLetterRequest } from "../../api/schemas.ts";
import { createStore } from "../state/store.ts";

/** In the form of the API. */
export type Filter = NonNullable<DeadLetterRequest["filter"]>;

export type Age = "" | "hour" | "day" | "older-day" | "older-week";

export interface Choice {
  provider: string;
  code: string;
  class: string;
  state: string;
  age: Age;
}

export const anyLetter: Choice = { provider: "", code: "", class: "", state: "", age: "" };

/** A store, since the tree sets it too. */
export const choice = createStore<Choice>(anyLetter, (work) => queueMicrotask(work));

export const choose = (change: Partial<Choice>): void => choice.change((now) => ({ ...now, ...change }));

const hour = 3_600_000;
const ages: Readonly<Record<Age, Pick<Filter, "olderThanMs" | "newerThanMs">>> = {
  "": {},
  hour: { newerThanMs: hour },
  day: { newerThanMs: 24 * hour },
  "older-day": { olderThanMs: 24 * hour },
  "older-week": { olderThanMs: 168 * hour },
};

export function toFilter({ provider, code, class: kind, state, age }: Choice): Filter {
  return {
    ...(provider && { provider }),
    ...(code && { code }),
    ...(kind && { class: kind as Filter["class"] }),
    ...(state && { state: state as Filter["state"] }),
    ...ages[age],
  };
}

export const isAny = (now: Choice): boolean => Object.values(now).every((value) => value === "");

/** The filter in words, for the confirmation of an action on all matches. */
export function inWords({ provider, code, class: kind, state, age }: Choice): string {
  const ageWords: Readonly<Record<Age, string>> = {
    "": "",
    hour: "failed within the last hour",
    day: "failed within the last 24 h",
    "older-day": "failed more than a day ago",
    "older-week": "failed more than a week ago",
  };
  const parts = [
    provider && `of ${provider}`,
    code && `with ${code}`,
    kind && `of class ${kind}`,
    state && `in state ${state}`,
    ageWords[age],
  ];
  return parts.filter((part) => part !== "").join(", ") || "of every provider, code, class, state and age";
}
