/** Renders circuit breakers. */
import type { BreakerView } from "../../engine/api.ts";
import { oneLine } from "./machine.ts";
import { formatAge, formatCount, formatRough, plural } from "./numbers.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";

interface Look {
  style: Style;
  width: number;
  now: number;
}

const breakerStateText = ({ state }: BreakerView): string => state.replace("_", " ");

const paintState = ({ state }: BreakerView, style: Style) =>
  state === "closed" ? style.green : state === "open" ? style.red : style.yellow;

/** What happens next: `probes in 26 s`, `desk:7 probes`, `the next call probes`. */
function nextText({ state, remainingMs, probe }: BreakerView): string {
  if (state === "closed") return "-";
  if (probe) return `${oneLine(probe.by)} probes`;
  return remainingMs > 0 ? `probes in ${formatRough(remainingMs)}` : "the next call probes";
}

const lastFailureText = ({ lastFailure }: BreakerView, now: number): string =>
  lastFailure === null
    ? "-"
    : `${formatAge(lastFailure.at, now)}, ${lastFailure.code}: ${oneLine(lastFailure.message)}`;

export function renderBreakers(views: readonly BreakerView[], { style, width, now }: Look): string {
  const lines = renderTable<BreakerView>(
    views,
    [
      { title: "upstream", value: ({ upstream }) => upstream, paint: (text) => style.bold(text) },
      { title: "state", value: breakerStateText, paint: (text, view) => paintState(view, style)(text) },
      {
        title: "since",
        value: ({ openedAt }) => (openedAt === null ? "-" : formatAge(openedAt, now)),
        dropFirst: 3,
      },
      { title: "next", value: nextText },
      {
        title: "failed in a row",
        align: "right",
        value: ({ consecutiveFailures }) => formatCount(consecutiveFailures),
        dropFirst: 4,
      },
      { title: "calls", align: "right", value: ({ counts }) => formatCount(counts.calls), dropFirst: 5 },
      {
        title: "refused",
        align: "right",
        value: ({ counts }) => formatCount(counts.rejections),
        dropFirst: 6,
      },
      { title: "opened", align: "right", value: ({ opens }) => formatCount(opens), dropFirst: 7 },
      { title: "last failure", value: (view) => lastFailureText(view, now), shrinkTo: 24 },
    ],
    { width, header: style.dim },
  );
  return `${lines.join("\n")}\n`;
}

/** `circuit breaker open for 4 min after 5 failures in a row, probes in 26 s`; undefined while closed. */
export function breakerTrouble(view: BreakerView, now: number): string | undefined {
  const { state, openedAt, consecutiveFailures, lastFailure } = view;
  if (state === "closed") return undefined;
  const since = openedAt === null ? "" : ` for ${formatRough(now - Date.parse(openedAt))}`;
  const last = lastFailure === null ? "" : `, the last ${lastFailure.code}`;
  return (
    `circuit breaker ${breakerStateText(view)}${since} after ` +
    `${plural(consecutiveFailures, "failure")} in a row${last}; ${nextText(view)}`
  );
}

export function renderReset(
  { changed, view }: { changed: boolean; view: BreakerView },
  { style }: Pick<Look, "style">,
): string {
  return changed
    ? `The breaker of ${style.bold(view.upstream)} is ${style.green("closed")}: calls go through again.\n`
    : `The breaker of ${style.bold(view.upstream)} is closed already.\n`;
}
