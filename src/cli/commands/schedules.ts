import { durationSetting } from "../../core/time.ts";
import type { Engine, ScheduleView } from "../../engine/api.ts";
import { answer, command, jsonOption, type Look } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { formatAhead, formatLocal, formatMoment } from "../render/text.ts";

export const schedules = command({
  name: "schedules",
  summary: "show when runs open on schedule, and when they last did",
  description:
    "Shows every schedule: its interval or cron expression, its next slot on this machine's clock, and the result of " +
    "the last one. Workers execute them (`uee worker`, `uee up`); UEE_CVE_SCHEDULE, UEE_CVE_FULL_SCHEDULE and so on " +
    "configure them, UEE_SCHEDULES=off disables all of them (docs/schedules.md).",
  options: jsonOption,
  examples: [
    "uee schedules",
    'UEE_CVE_SCHEDULE=1h UEE_CVE_FULL_SCHEDULE="0 3 * * 0" uee worker',
    "uee schedules --json | jq '.schedules[] | select(.enabled) | {provider, mode, next}'",
  ],
  async run(context, flags) {
    const ask = async (engine: Engine) => ({ schedules: await engine.schedules() });
    await answer(context, flags, ask, (found, look) => scheduleTable(found.schedules, look));
  },
});

/** `every 2h`, `0 3 * * * (UTC)` or `off`. */
function scheduleText({ enabled, everyMs, cron }: ScheduleView): string {
  if (!enabled) return "off";
  return everyMs === null ? `${cron} (UTC)` : `every ${durationSetting(everyMs)}`;
}

function nextText({ enabled, next }: ScheduleView, now: number): string {
  if (!enabled) return "never";
  if (next === null) return "no worker has planned it yet";
  const ahead = formatAhead(next, now);
  return Date.parse(next) < now ? ahead : `${formatLocal(next, now)}, ${ahead}`;
}

function lastText({ last, lastOutcome }: ScheduleView, now: number): string {
  if (last === null) return "never";
  const outcome = lastOutcome === "paused" ? "paused, nothing done" : lastOutcome;
  return `${formatMoment(last, now)}${outcome === null ? "" : `: ${outcome}`}`;
}

/** Disabled schedules are omitted unless a provider has no other. */
const worthShowing = (views: readonly ScheduleView[]): ScheduleView[] =>
  views.filter(
    ({ enabled, mode, provider }) =>
      enabled ||
      (mode === "incremental" && !views.some((other) => other.provider === provider && other.enabled)),
  );

function scheduleTable(views: readonly ScheduleView[], look: Look): string[] {
  const { style, now } = look;
  const dimmed = (text: string, { enabled }: ScheduleView) => (enabled ? text : style.dim(text));
  return renderTable<ScheduleView>(
    worthShowing(views),
    [
      { title: "provider", value: ({ provider }) => provider, paint: style.bold },
      { title: "runs", value: ({ mode }) => mode },
      { title: "when", value: scheduleText, shrinkTo: 10, paint: dimmed },
      {
        title: "next",
        value: (row) => nextText(row, now),
        shrinkTo: 14,
        paint: (text, row) =>
          row.next !== null && Date.parse(row.next) < now ? style.yellow(text) : dimmed(text, row),
      },
      { title: "last", value: (row) => lastText(row, now), shrinkTo: 12, dropFirst: 1 },
    ],
    look,
  );
}
