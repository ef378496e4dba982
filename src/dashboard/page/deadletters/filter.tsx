/** The filter of dead letters; list, dry run and action share it, so that they agree. Its fields offer what exists. */
import { useMemo } from "preact/hooks";
import type { DeadLetterRequest, DeadLetterStats } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { refine } from "../state/navigate.ts";
import { Button } from "../ui/icon.tsx";
import { Choice as ChoiceField } from "../ui/parts.tsx";
import { useAddress } from "../ui/useStore.ts";

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

/** What the address says; a value that is no filter is left out. */
export function useChoice(): Choice {
  const { query } = useAddress();
  return useMemo(() => {
    const { provider = "", code = "", class: kind = "", state = "", age = "" } = query;
    return { provider, code, class: kind, state, age: age in ages ? (age as Age) : "" };
  }, [query]);
}

export const clear = (): void => choose({ ...anyLetter, text: "" });

/** Another filter starts at its first page. */
const choose = (change: Partial<Choice> & { text?: string }): void =>
  refine({ ...change, after: "", from: "" });

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
  return parts.filter((part) => part !== "").join(", ") || "of every source, code, class, state and age";
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

/** Searches when Enter is pressed or the field is left. */
function TextSearch() {
  const { text = "" } = useAddress().query;
  return (
    <label class="filter-field">
      <span>Text</span>
      <input
        type="search"
        placeholder="id, message, run"
        value={text}
        maxLength={200}
        onChange={({ currentTarget }) => choose({ text: currentTarget.value.trim() })}
      />
    </label>
  );
}

export function LetterFilter({ stats, chosen }: { stats: DeadLetterStats; chosen: Choice }) {
  const { text = "" } = useAddress().query;
  return (
    <search class="filter" aria-label="Filter dead letters">
      <Select
        id="dead-letters-filter"
        label="Source"
        name="provider"
        options={withCounts(stats.byProvider)}
        chosen={chosen}
      />
      <Select label="Code" name="code" options={withCounts(stats.byCode)} chosen={chosen} />
      <Select label="Class" name="class" options={withCounts(stats.byClass)} chosen={chosen} />
      <Select label="State" name="state" options={withCounts(stats.byState)} chosen={chosen} />
      <Select label="Failed" name="age" options={ageOptions} chosen={chosen} />
      <TextSearch />
      {(!isAny(chosen) || text !== "") && <Button onClick={clear}>Clear</Button>}
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

const Select = ({ name, chosen, ...more }: SelectProps) => (
  <ChoiceField {...more} value={chosen[name]} onChoose={(value) => choose({ [name]: value })} />
);
