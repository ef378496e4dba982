/** The fields of the filter. They offer the values that exist. */
import type { DeadLetterStats } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { type Age, anyLetter, type Choice, choose, isAny } from "./filter.ts";

type Options = readonly (readonly [value: string, text: string])[];

const withCounts = (counts: Record<string, number>): Options =>
  Object.entries(counts)
    .filter(([, many]) => many > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([value, many]) => [value, `${value} (${count(many)})`] as const);

const ageOptions: Options = [
  ["hour", "last hour"],
  ["day", "last 24 h"],
  ["older-day", "older than a day"],
  ["older-week", "older than a week"],
];

export function LetterFilter({ stats, chosen }: { stats: DeadLetterStats; chosen: Choice }) {
  return (
    <search class="filter" aria-label="Filter dead letters">
      <Select
        id="dead-letters-filter"
        label="Provider"
        value={chosen.provider}
        options={withCounts(stats.byProvider)}
        onChoose={(provider) => choose({ provider })}
      />
      <Select
        label="Code"
        value={chosen.code}
        options={withCounts(stats.byCode)}
        onChoose={(code) => choose({ code })}
      />
      <Select
        label="Class"
        value={chosen.class}
        options={withCounts(stats.byClass)}
        onChoose={(value) => choose({ class: value })}
      />
      <Select
        label="State"
        value={chosen.state}
        options={withCounts(stats.byState)}
        onChoose={(state) => choose({ state })}
      />
      <Select
        label="Failed"
        value={chosen.age}
        options={ageOptions}
        onChoose={(age) => choose({ age: age as Age })}
      />
      {!isAny(chosen) && (
        <button type="button" class="button button-small" onClick={() => choose(anyLetter)}>
          Clear
        </button>
      )}
    </search>
  );
}

function Select({
  id,
  label,
  value,
  options,
  onChoose,
}: {
  id?: string;
  label: string;
  value: string;
  options: Options;
  onChoose: (value: string) => void;
}) {
  // The selected value stays in the list, even if no dead letter has it any more.
  const all =
    value === "" || options.some(([one]) => one === value) ? options : [...options, [value, value] as const];
  return (
    <label class="filter-field">
      <span>{label}</span>
      <select id={id} value={value} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
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
