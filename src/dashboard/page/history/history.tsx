/** Transitions and decisions about permits: actor, reason, time. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { QuotaEvent, Transition } from "../../api/schemas.ts";
import { milliseconds, percent } from "../lib/figures.ts";
import { transitionKey } from "../state/fleet.ts";
import { Button, Icon } from "../ui/icon.tsx";
import { Empty, Loading, Moment, Panel, StateBadge } from "../ui/parts.tsx";
import { usePage } from "../ui/useStore.ts";

type Shown = "all" | "people" | "permits" | string;

const pageSize = 15;

type Line =
  | { at: string; key: string; transition: Transition }
  | { at: string; key: string; quota: QuotaEvent };

export function History() {
  const transitions = usePage(({ fleet }) => fleet.transitions);
  const quotaEvents = usePage(({ fleet }) => fleet.quotaEvents);
  const providers = usePage(({ fleet }) => fleet.overview?.providers);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const [shown, setShown] = useState<Shown>("all");
  const [most, setMost] = useState(pageSize);
  const lines = linesOf(transitions ?? [], quotaEvents ?? [], shown);
  const loading = transitions === null || quotaEvents === null;
  return (
    <Panel
      id="history"
      title="History"
      busy={loading}
      aside={
        <label class="inline-field">
          <span>Show</span>
          <select value={shown} onChange={({ currentTarget }) => setShown(currentTarget.value)}>
            <option value="all">everything</option>
            <option value="people">what people did</option>
            <option value="permits">permit decisions</option>
            <option value="macro">the fleet's machine</option>
            {providers?.map(({ provider }) => (
              <option key={provider} value={provider}>
                {provider}
              </option>
            ))}
          </select>
        </label>
      }
    >
      {loading ? (
        away ? (
          <Empty title="The history cannot be read">It lies in Redis.</Empty>
        ) : (
          <Loading lines={5} what="the history" />
        )
      ) : lines.length === 0 ? (
        <Empty title="Nothing happened yet">Transitions and permit decisions appear here as they come.</Empty>
      ) : (
        <>
          <ol class="history" aria-label="Transitions and decisions, the newest first">
            {lines
              .slice(0, most)
              .map((line) =>
                "transition" in line ? (
                  <TransitionLine key={line.key} transition={line.transition} />
                ) : (
                  <QuotaLine key={line.key} event={line.quota} />
                ),
              )}
          </ol>
          {lines.length > most && (
            <Button onClick={() => setMost(most + pageSize * 3)}>Show more ({lines.length - most})</Button>
          )}
        </>
      )}
    </Panel>
  );
}

function linesOf(
  transitions: readonly Transition[],
  quotaEvents: readonly QuotaEvent[],
  shown: Shown,
): Line[] {
  const chosen = transitions.filter(({ provider, actorKind }) => {
    if (shown === "all") return true;
    if (shown === "people") return actorKind === "person";
    return shown === "macro" ? provider === null : provider === shown;
  });
  const decisions = quotaEvents.filter(
    ({ kind }) => shown === "all" || shown === "permits" || (shown === "people" && kind === "resize"),
  );
  const lines: Line[] = [
    ...(shown === "permits" ? [] : chosen).map((transition) => ({
      at: transition.at,
      key: transitionKey(transition),
      transition,
    })),
    ...decisions.map((quota) => ({ at: quota.at, key: `quota/${quota.id}`, quota })),
  ];
  return lines.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

interface EntryProps {
  at: string;
  who: string;
  step: ComponentChildren;
  children: ComponentChildren;
}

const Entry = ({ at, who, step, children }: EntryProps) => (
  <li>
    <span class="history-when">
      <Moment at={at} show="clock" />
    </span>
    <strong class="history-who">{who}</strong>
    <span class="row history-what">
      <span class="row history-step">{step}</span>
      <span class="muted">{children}</span>
    </span>
  </li>
);

function TransitionLine({ transition }: { transition: Transition }) {
  const { at, provider, oldState, newState, trigger, actor, actorKind, reason } = transition;
  const step = (
    <>
      <span class="muted">{oldState}</span>
      <span class="visually-hidden">to</span>
      <span aria-hidden="true">→</span>
      <StateBadge state={newState} />
    </>
  );
  return (
    <Entry at={at} who={provider ?? "fleet"} step={step}>
      {trigger.replaceAll("_", " ")}, {actorKind === "person" ? <strong>{actor}</strong> : actor}
      {reason !== null && `: ${reason}`}
    </Entry>
  );
}

const verbs = { revoke: "Revoked", restore: "Gave back", resize: "Resized to" } as const;

function QuotaLine({ event }: { event: QuotaEvent }) {
  const { at, kind, permits, reason, p99Ms, saturation, size, effective, actor } = event;
  const step = (
    <span class={`badge ${kind === "revoke" ? "tone-warn" : "tone-quiet"}`}>
      <Icon sign={kind === "revoke" ? "down" : "up"} />
      {verbs[kind]} {permits}
    </span>
  );
  return (
    <Entry at={at} who="permits" step={step}>
      {kind === "resize" ? <strong>{actor}</strong> : `${actor}, ${effective} of ${size} usable`}
      {reason !== "" && `: ${reason}`}
      {p99Ms !== null &&
        ` (p99 ${milliseconds(p99Ms)}${saturation === null ? "" : `, buffer ${percent(saturation)}`})`}
    </Entry>
  );
}
