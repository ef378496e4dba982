/** Transitions and decisions about permits: actor, reason, time. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { History as HistoryAnswer, HistoryLine, QuotaEvent, Transition } from "../../api/schemas.ts";
import { milliseconds, percent } from "../lib/figures.ts";
import { lookOf } from "../lib/machineStates.ts";
import { useGet } from "../live/http.ts";
import { isRoutine, transitionKey } from "../state/fleet.ts";
import { Button, Icon } from "../ui/icon.tsx";
import { AddressChoice, Empty, Loading, Moment, Panel, Prose, StateBadge } from "../ui/parts.tsx";
import { useAddress, usePage, useVersion } from "../ui/useStore.ts";

/** Empty: all but routine waits. */
type Shown = "" | "all" | "people" | "permits" | string;

const pageSize = 40;

type Line =
  | { at: string; key: string; other: HistoryLine }
  | { at: string; key: string; transition: Transition }
  | { at: string; key: string; quota: QuotaEvent };

export function History() {
  const transitions = usePage(({ fleet }) => fleet.transitions);
  const quotaEvents = usePage(({ fleet }) => fleet.quotaEvents);
  const providers = usePage(({ fleet }) => fleet.overview?.providers);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const shown: Shown = useAddress().query.show ?? "";
  const [most, setMost] = useState(pageSize);
  const lines = linesOf(transitions ?? [], quotaEvents ?? [], useOthers(), shown);
  const loading = transitions === null || quotaEvents === null;
  return (
    <Panel
      id="history"
      title="History"
      busy={loading}
      aside={
        <AddressChoice
          name="show"
          label="Show"
          any="all but routine waits"
          options={[
            ["all", "everything"],
            ["people", "what people did"],
            ["permits", "permit decisions"],
            ["breaker", "circuit breakers"],
            ["dead-letters", "dead letters"],
            ["macro", "the fleet's state"],
            ...(providers ?? []).map(({ provider }) => provider),
          ]}
        />
      }
    >
      {loading ? (
        away ? (
          <Empty title="The history cannot be read">It is stored in Redis.</Empty>
        ) : (
          <Loading lines={5} what="the history" />
        )
      ) : lines.length === 0 ? (
        <Empty title={shown === "" ? "Nothing happened yet" : "Nothing of this kind is kept"}>
          Transitions, decisions about permits, and actions of people appear here as they come.
        </Empty>
      ) : (
        <>
          <ol class="rows rows-history" aria-label="Transitions and decisions, the newest first">
            {lines
              .slice(0, most)
              .map((line) =>
                "transition" in line ? (
                  <TransitionLine key={line.key} transition={line.transition} />
                ) : "other" in line ? (
                  <OtherLine key={line.key} line={line.other} />
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

/** Breakers, and what was done with dead letters: read again when either has changed. */
function useOthers(): readonly HistoryLine[] {
  const letters = useVersion(({ deadLetters, jobs }) => `${deadLetters.entries}/${jobs.failed}`);
  const breakers = usePage(({ fleet }) => fleet.breakers?.map(({ version }) => version).join(" "));
  const version = letters === null ? null : `${letters} ${breakers}`;
  const { answer } = useGet<HistoryAnswer>("/api/history?limit=1000", version);
  return (answer?.history ?? []).filter(({ kind }) => kind === "breaker" || kind === "dead-letters");
}

function linesOf(
  transitions: readonly Transition[],
  quotaEvents: readonly QuotaEvent[],
  others: readonly HistoryLine[],
  shown: Shown,
): Line[] {
  const chosen = transitions.filter((transition) => {
    const { provider, actorKind } = transition;
    if (shown === "all") return true;
    if (shown === "") return !isRoutine(transition);
    if (shown === "people") return actorKind === "person";
    return shown === "macro" ? provider === null : provider === shown;
  });
  const decisions = quotaEvents.filter(
    ({ kind }) =>
      shown === "" || shown === "all" || shown === "permits" || (shown === "people" && kind === "resize"),
  );
  const more = others.filter(
    ({ kind, provider, actorKind }) =>
      shown === "" ||
      shown === "all" ||
      shown === kind ||
      shown === provider ||
      (shown === "people" && actorKind === "person"),
  );
  const lines: Line[] = [
    ...more.map((other, i) => ({ at: other.at, key: `${other.kind}/${other.at}/${other.what}/${i}`, other })),
    ...chosen.map((transition) => ({
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
    <span class="muted nowrap">
      <Moment at={at} show="clock" />
    </span>
    <strong>{who}</strong>
    <span class="row">{step}</span>
    <span class="muted row-text">{children}</span>
  </li>
);

/** Only a state that still holds has its colour: amber and red stand for what a person can act on. */
function TransitionLine({ transition }: { transition: Transition }) {
  const { at, provider, oldState, newState, trigger, version, actor, actorKind, reason } = transition;
  const holds = usePage(({ fleet: { overview } }) => {
    const machine =
      provider === null
        ? overview?.macro
        : overview?.providers.find((one) => one.provider === provider)?.machine;
    return machine?.version === version;
  });
  const step = (
    <>
      <span class="muted">{oldState}</span>
      <span class="visually-hidden">to</span>
      <span aria-hidden="true">→</span>
      <StateBadge
        state={newState}
        look={{ ...lookOf(newState), ...(holds ? {} : { tone: "quiet" as const }) }}
      />
    </>
  );
  return (
    <Entry at={at} who={provider ?? "fleet"} step={step}>
      {trigger.replaceAll("_", " ")}, {actorKind === "person" ? <strong>{actor}</strong> : actor}
      <Reason reason={reason} />
    </Entry>
  );
}

function OtherLine({
  line: { at, kind, provider, what, trigger, actor, actorKind, reason },
}: {
  line: HistoryLine;
}) {
  const step = (
    <span class="badge tone-quiet">{kind === "breaker" ? what : what.replace(/^dead letters: /, "")}</span>
  );
  return (
    <Entry at={at} who={provider ?? "fleet"} step={step}>
      {kind === "dead-letters" && `dead letters (${trigger}), `}
      {actorKind === "person" ? <strong>{actor}</strong> : actor}
      <Reason reason={reason} />
    </Entry>
  );
}

const Reason = ({ reason }: { reason: string | null }) =>
  reason === null || reason === "" ? null : (
    <>
      : <Prose text={reason} />
    </>
  );

const verbs = { revoke: "Revoked", restore: "Gave back", resize: "Resized to" } as const;

function QuotaLine({ event }: { event: QuotaEvent }) {
  const { at, kind, permits, reason, p99Ms, saturation, size, effective, actor } = event;
  // `permits` of a resize is the new size, `effective` what was usable before.
  const down = kind === "revoke" || (kind === "resize" && permits < effective);
  const step = (
    <span class="badge tone-quiet">
      <Icon sign={down ? "down" : "up"} />
      {verbs[kind]} {permits}
    </span>
  );
  return (
    <Entry at={at} who="permits" step={step}>
      {kind === "resize" ? (
        <>
          <strong>{actor}</strong>, {effective} usable before
        </>
      ) : (
        `${actor}, ${effective} of ${size} usable before`
      )}
      <Reason reason={reason} />
      {p99Ms !== null &&
        ` (p99 ${milliseconds(p99Ms)}${saturation === null ? "" : `, buffer ${percent(saturation)}`})`}
    </Entry>
  );
}
