/** Small components that every panel uses. */
import type { ComponentChildren } from "preact";
import type { Run } from "../../api/schemas.ts";
import { clockTime, exactTime, parseTime, relative } from "../lib/figures.ts";
import { type Look, lookOf, type Tone } from "../lib/machineStates.ts";
import { refine } from "../state/navigate.ts";
import { Icon } from "./icon.tsx";
import { useAddress, useNow, usePage } from "./useStore.ts";

/** A state by sign, word and colour; its meaning is in the title. */
export function StateBadge({ state, look = lookOf(state) }: { state: string; look?: Look }) {
  return (
    <span class={`badge tone-${look.tone}`} title={look.means}>
      <Icon sign={look.sign} />
      {state}
    </span>
  );
}

interface MomentProps {
  at: string | number;
  show?: "relative" | "clock" | "both";
}

/** `4 min ago`, `21:04:07` or both; the exact time, local and UTC, in the title. */
export function Moment({ at, show = "relative" }: MomentProps) {
  const now = useNow();
  const ms = typeof at === "number" ? at : parseTime(at);
  if (ms === null) return <span>{at}</span>;
  const clock = clockTime(ms, now);
  const text =
    show === "clock" ? clock : show === "both" ? `${clock}, ${relative(ms, now)}` : relative(ms, now);
  return (
    <time dateTime={new Date(ms).toISOString()} title={exactTime(ms)}>
      {text}
    </time>
  );
}

/** Continues a line about a run: who opened it, and why. Runs of old versions do not say. */
export const OpenedBy = ({ run: { actor, reason } }: { run: Pick<Run, "actor" | "reason"> }) =>
  actor === "" ? null : (
    <span>
      , opened by {actor}
      {reason !== null && `: ${reason}`}
    </span>
  );

/** A text of the engine: what stands between backticks is set as code. */
export const Prose = ({ text }: { text: string }) => (
  <>{text.split("`").map((part, i) => (i % 2 === 0 ? part : <code key={`${i}`}>{part}</code>))}</>
);

interface FactProps {
  label: string;
  children: ComponentChildren;
  tone?: Tone;
  hint?: string;
}

export const Fact = ({ label, children, tone, hint }: FactProps) => (
  <div class="fact" title={hint}>
    <dt>{label}</dt>
    <dd class={tone && `text-${tone}`}>{children}</dd>
  </div>
);

export interface PanelProps {
  id: string;
  title: string;
  /** Beside the heading. */
  aside?: ComponentChildren;
  children: ComponentChildren;
  busy?: boolean;
}

export const Panel = ({ id, title, aside, children, busy }: PanelProps) => (
  <section class="panel" id={id} aria-labelledby={`${id}-title`} aria-busy={busy} tabIndex={-1}>
    <header class="row panel-head">
      <h2 id={`${id}-title`}>{title}</h2>
      {aside && <div class="row panel-aside">{aside}</div>}
    </header>
    {children}
  </section>
);

interface DataPanelProps<Data> extends Pick<PanelProps, "id" | "title"> {
  /** Null until it has arrived. */
  data: Data | null;
  aside?: (data: Data) => ComponentChildren;
  children: (data: Data) => ComponentChildren;
  /** Lines of the placeholder, and what it stands for. */
  loading: readonly [lines: number, what: string];
  /** Title and text while Redis does not answer. */
  away: readonly [title: string, text: string];
  /** Below the data, whether it is there or not. */
  after?: ComponentChildren;
}

/** A panel of the fleet's data: a placeholder before it has arrived, and an empty state while Redis is away. */
export function DataPanel<Data>({
  data,
  aside,
  children,
  loading,
  away,
  after,
  ...panel
}: DataPanelProps<Data>) {
  const isAway = usePage(({ fleet }) => fleet.trouble !== null);
  return (
    <Panel {...panel} busy={data === null} aside={data !== null && aside?.(data)}>
      {data !== null ? (
        children(data)
      ) : isAway ? (
        <Empty title={away[0]}>{away[1]}</Empty>
      ) : (
        <Loading lines={loading[0]} what={loading[1]} />
      )}
      {after}
    </Panel>
  );
}

/** An empty state: what would be shown here, and why it is empty. */
export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <p class="empty-title">{title}</p>
    {children && <p>{children}</p>}
  </div>
);

/** A placeholder in the shape of the content. */
export const Loading = ({ lines, what }: { lines: number; what: string }) => (
  <div class="column loading" role="status">
    <span class="visually-hidden">Loading {what} …</span>
    {Array.from({ length: lines }, (_, line) => (
      <span key={line} class="loading-line" aria-hidden="true" />
    ))}
  </div>
);

interface BarProps {
  /** 0 to 1; null: unknown. */
  share: number | null;
  label: string;
  text: string;
  tone?: Tone;
  /** Marks a threshold, as a share of the whole. */
  limit?: number;
  role?: "meter" | "progressbar";
}

export function Bar({ share, label, text, tone = "active", limit, role = "meter" }: BarProps) {
  const known = share === null ? undefined : Math.round(Math.min(1, Math.max(0, share)) * 100);
  const meaning = {
    ...{ role, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuetext": text },
    "aria-valuenow": role === "meter" ? (known ?? 0) : known,
  };
  return (
    <div class={`bar tone-${tone}${known === undefined ? " bar-unknown" : ""}`} {...meaning}>
      <span class="bar-fill" style={{ width: `${known ?? 0}%` }} />
      {limit !== undefined && <span class="bar-limit" style={{ left: `${limit * 100}%` }} />}
    </div>
  );
}

interface SegmentsProps<Value> {
  label: string;
  value: Value;
  /** Value → name. */
  choices: readonly (readonly [Value, string])[];
  onChoose: (value: Value) => void;
}

/** One of a few values, each with its button. */
export const Segments = <Value extends string | number>(props: SegmentsProps<Value>) => (
  <fieldset class="segments" aria-label={props.label}>
    {props.choices.map(([value, name]) => (
      <button
        key={value}
        type="button"
        aria-pressed={value === props.value}
        onClick={() => props.onChoose(value)}
      >
        {name}
      </button>
    ))}
  </fieldset>
);

interface ChoiceProps {
  id?: string;
  label: string;
  value: string;
  /** Values, or values with their texts. */
  options: readonly (string | readonly [value: string, text: string])[];
  onChoose: (value: string) => void;
  any?: string;
}

/** A filter with one value or none. A chosen value stays in the list, even if nothing has it any more. */
export function Choice({ id, label, value, options, onChoose, any = "any" }: ChoiceProps) {
  const all = options.map((one) => (typeof one === "string" ? ([one, one] as const) : one));
  if (value !== "" && all.every(([one]) => one !== value)) all.push([value, value]);
  return (
    <label class="filter-field">
      <span>{label}</span>
      <select id={id} value={value} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        <option value="">{any}</option>
        {all.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A filter that the address keeps under `name`. */
export function AddressChoice({
  name,
  ...choice
}: { name: string } & Omit<ChoiceProps, "value" | "onChoose">) {
  const { [name]: value = "" } = useAddress().query;
  return <Choice {...choice} value={value} onChoose={(chosen) => refine({ [name]: chosen })} />;
}

export function SourceChoice() {
  const providers = usePage(({ fleet }) => fleet.overview?.providers) ?? [];
  return <AddressChoice name="provider" label="Source" options={providers.map((one) => one.provider)} />;
}

/** The way up from one of many. */
export const Back = ({ to, children }: { to: string; children: ComponentChildren }) => (
  <nav class="back" aria-label="Up">
    <a href={to}>← {children}</a>
  </nav>
);
