/** Small components that every panel uses. */
import type { ComponentChildren } from "preact";
import type { Run } from "../../api/schemas.ts";
import { clockTime, exactTime } from "../lib/clockTime.ts";
import { parseTime, relative } from "../lib/figures.ts";
import { type Look, lookOf, type Tone } from "../lib/machineStates.ts";
import { Icon } from "./icon.tsx";
import { useNow } from "./useStore.ts";

/** A state by sign, word and colour; its meaning is in the title. */
export function StateBadge({ state, look = lookOf(state) }: { state: string; look?: Look }) {
  return (
    <span class={`badge tone-${look.tone}`} title={look.means}>
      <Icon sign={look.sign} />
      {state}
    </span>
  );
}

/** `4 min ago`, `21:04:07` or both; the exact time, local and UTC, in the title. */
export function Moment({
  at,
  show = "relative",
}: {
  at: string | number;
  show?: "relative" | "clock" | "both";
}) {
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

export function Fact({
  label,
  children,
  tone,
  hint,
}: {
  label: string;
  children: ComponentChildren;
  tone?: Tone;
  hint?: string;
}) {
  return (
    <div class="fact" title={hint}>
      <dt>{label}</dt>
      <dd class={tone && `text-${tone}`}>{children}</dd>
    </div>
  );
}

export function Panel({
  id,
  title,
  aside,
  children,
  busy,
}: {
  id: string;
  title: string;
  /** Aligned right of the heading. */
  aside?: ComponentChildren;
  children: ComponentChildren;
  busy?: boolean;
}) {
  return (
    <section class="panel" id={id} aria-labelledby={`${id}-title`} aria-busy={busy} tabIndex={-1}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside && <div class="panel-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** An empty state: what would be shown here, and why it is empty. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** A placeholder in the shape of the content. */
export function Loading({ lines, what }: { lines: number; what: string }) {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading {what} …</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="loading-line" aria-hidden="true" />
      ))}
    </div>
  );
}

/** A bar with a figure beside it; `limit` marks a threshold (share of the whole). */
export function Bar({
  share,
  label,
  text,
  tone = "active",
  limit,
  role = "meter",
}: {
  /** 0 to 1; null: unknown. */
  share: number | null;
  label: string;
  text: string;
  tone?: Tone;
  limit?: number;
  role?: "meter" | "progressbar";
}) {
  const known = share === null ? undefined : Math.round(Math.min(1, Math.max(0, share)) * 100);
  const meaning = {
    role,
    "aria-label": label,
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": role === "meter" ? (known ?? 0) : known,
    "aria-valuetext": text,
  };
  return (
    <div class={`bar tone-${tone}${known === undefined ? " bar-unknown" : ""}`} {...meaning}>
      <span class="bar-fill" style={{ width: `${known ?? 0}%` }} />
      {limit !== undefined && <span class="bar-limit" style={{ left: `${limit * 100}%` }} />}
    </div>
  );
}
