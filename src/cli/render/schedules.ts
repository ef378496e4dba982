/** Renders the schedules. */
import { formatDuration } from "../../core/time.ts";
import type { ScheduleView } from "../../engine/api.ts";
import type { Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";
import { formatAhead, formatLocal, formatMoment } from "./times.ts";

interface Look {
  style: Style;
  now: number;
  width: number;
}

/** `every 2h`, `0 3 * * * (UTC)` or `off`. */
function scheduleText({ enabled, everyMs, cron }: ScheduleView): string {
  if (!enabled) return "off";
  return everyMs === null ? `${cron} (UTC)` : `every ${formatDuration(everyMs)}`;
}

const outcomeText = { opened: "opened", joined: "joined", paused: "paused, nothing done" } as const;

const nextText = ({ enabled, next }: ScheduleView, now: number): string => {
  if (!enabled) return "never";
  if (next === null) return "no worker has planned it yet";
  return Date.parse(next) < now
    ? formatAhead(next, now)
    : `${formatLocal(next, now)}, ${formatAhead(next, now)}`;
};

const lastText = ({ last, lastOutcome }: ScheduleView, now: number): string =>
  last === null
    ? "never"
    : `${formatMoment(last, now)}${lastOutcome === null ? "" : `: ${outcomeText[lastOutcome]}`}`;

/** Disabled schedules are omitted unless a provider has no other. */
const worthShowing = (views: readonly ScheduleView[]): ScheduleView[] =>
  views.filter(
    (view) =>
      view.enabled ||
      (view.mode === "incremental" &&
        !views.some((other) => other.provider === view.provider && other.enabled)),
  );

export function renderSchedules(views: readonly ScheduleView[], { style, now, width }: Look): string {
  const columns: Column<ScheduleView>[] = [
    { title: "provider", value: (row) => row.provider, paint: (text) => style.bold(text) },
    { title: "runs", value: (row) => row.mode },
    {
      title: "when",
      value: scheduleText,
      shrinkTo: 10,
      paint: (text, row) => (row.enabled ? text : style.dim(text)),
    },
    {
      title: "next",
      value: (row) => nextText(row, now),
      shrinkTo: 14,
      paint: (text, row) =>
        row.next !== null && Date.parse(row.next) < now
          ? style.yellow(text)
          : row.enabled
            ? text
            : style.dim(text),
    },
    { title: "last", value: (row) => lastText(row, now), shrinkTo: 12, dropFirst: 1 },
  ];
  return `${renderTable(worthShowing(views), columns, { width, header: style.dim }).join("\n")}\n`;
}
