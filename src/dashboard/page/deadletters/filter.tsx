/** The filter of dead letters; list, dry run and action share it, so that they agree. Its fields offer what exists. */
import type { DeadLetterRequest, DeadLetterStats } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { createStore } from "../state/store.ts";
import { Button } from "../ui/icon.tsx";

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
/** Value → what the API is asked, as an option of the filter, and in words. */
const ages: Readonly<Record<Age, readonly [Pick<Filter, "olderThanMs" | "newerThanMs">, string, string]>> = {
  "": [{}, "any", ""],
  hour: [{ newerThanMs: hour }, "last hour", "failed within the last hour"],
  day: [{ newerThanMs: 24 * hour }, "last 24 h", "failed within the last 24 h"],
  "older-day": [{ olderThanMs: 24 * hour }, "older than a day", "failed more than a day ago"],
  "older-week": [{ olderThanMs: 168 * hour }, "older than a week", "failed more than a week ago"],
};

export function toFilter({ provider, code, class: kind, state, age }: Choice): Filter {
  return {
    ...(provider && { provider }),
    ...(code && { code }),
    ...(kind && { class: kind as Filter["class"] }),
    ...(state && { state: state as Filter["state"] }),
    ...ages[age][0],
  };
}

export const isAny = (now: Choice): boolean => Object.values(now).every((value) => value === "");

/** The filter in words, for the confirmation of an action on all matches. */
export function inWords({ provider, code, class: kind, state, age }: Choice): string {
  const parts = [
    provider && `of ${provider}`,
    code && `with ${code}`,
    kind && `of class ${kind}`,
    state && `in state ${state}`,
    ages[age][2],
  ];
  return parts.filter((part) => part !== "").join(", ") || "of every provider, code, class, state and age";
}

type Options = readonly (readonly [value: string, text: string])[];

const withCounts = (counts: Record<string, number>): Options =>
  Object.entries(counts)
    .filter(([, many]) => many > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([value, many]) => [value, `${value} (${count(many)})`] as const);

const ageOptions: Options = Object.entries(ages)
  .filter(([value]) => value !== "")
  .map(([value, [, text]]) => [value, text] as const);

export function LetterFilter({ stats, chosen }: { stats: DeadLetterStats; chosen: Choice }) {
  return (
    <search class="row filter" aria-label="Filter dead letters">
      <Select
        id="dead-letters-filter"
        label="Provider"
        name="provider"
        options={withCounts(stats.byProvider)}
        chosen={chosen}
      />
      <Select label="Code" name="code" options={withCounts(stats.byCode)} chosen={chosen} />
      <Select label="Class" name="class" options={withCounts(stats.byClass)} chosen={chosen} />
      <Select label="State" name="state" options={withCounts(stats.byState)} chosen={chosen} />
      <Select label="Failed" name="age" options={ageOptions} chosen={chosen} />
      {!isAny(chosen) && <Button onClick={() => choose(anyLetter)}>Clear</Button>}
    </search>
  );
}

interface SelectProps {
  id?: string;
  label: string;
  name: keyof Choice;
  options: Options;
  chosen: Choice;
}

function Select({ id, label, name, options, chosen }: SelectProps) {
  const value = chosen[name];
  // The selected value stays in the list, even if no dead letter has it any more.
  const all =
    value === "" || options.some(([one]) => one === value) ? options : [...options, [value, value] as const];
  return (
    <label class="filter-field">
      <span>{label}</span>
      <select id={id} value={value} onChange={({ currentTarget }) => choose({ [name]: currentTarget.value })}>
        <option value="">any</option>
        {all.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
