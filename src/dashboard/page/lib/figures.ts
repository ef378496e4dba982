/** Formats figures and times of the page, always with their unit. */
import { formatCount as count, formatDuration, formatRough as rough } from "../../../core/figures.ts";

export {
  formatBytes as bytes,
  formatCount as count,
  formatPercent as percent,
  formatRough as rough,
  plural,
} from "../../../core/figures.ts";

const fine = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const milliseconds = (ms: number): string =>
  ms >= 1_000
    ? `${fine.format(ms / 1_000)} s`
    : `${fine.format(ms >= 100 ? Math.round(ms) : ms < 0.1 ? 0 : ms)} ms`;

export const rate = (perSecond: number, noun = ""): string =>
  `${perSecond >= 10 || perSecond === 0 ? count(Math.round(perSecond)) : fine.format(perSecond)}${noun && ` ${noun}`}/s`;

/** `8 s`, `2 min 05 s`, `1 h 12 min`: runs and countdowns, in whole seconds. */
export const duration = (ms: number): string =>
  ms >= 1_000 && ms < 59_500 ? `${Math.round(ms / 1_000)} s` : formatDuration(ms);

/** `just now`, `4 min ago`, `in 2 h`. Less than a second is `just now`. */
export function relative(atMs: number, nowMs: number): string {
  const away = atMs - nowMs;
  if (Math.abs(away) < 1_500) return "just now";
  return away > 0 ? `in ${rough(away)}` : `${rough(-away)} ago`;
}

/** Upstreams send times without zone, which are UTC (a rule of the engine); null if it is no time. */
export function parseTime(text: string): number | null {
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(text) || !text.includes("T") ? text : `${text}Z`;
  const at = Date.parse(zoned);
  return Number.isNaN(at) ? null : at;
}

/** In the browser's time zone. */
const time = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const full = new Intl.DateTimeFormat(undefined, {
  ...{ weekday: "short", year: "numeric", month: "short", day: "numeric" },
  ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" },
});

const dayOf = (at: number): string => new Date(at).toDateString();

/** `21:04:07`; with the date if it is not today. */
export const clockTime = (at: number, now: number): string =>
  dayOf(at) === dayOf(now) ? time.format(at) : `${day.format(at)}, ${time.format(at)}`;

const dayAndMinute = new Intl.DateTimeFormat(undefined, {
  ...{ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
});
/** `30 Nov, 21:04`: on axes of days and weeks. */
export const dayTime = (at: number): string => dayAndMinute.format(at);

/** For titles: the local time with its zone, and UTC as in logs. */
export const exactTime = (at: number): string => `${full.format(at)} = ${new Date(at).toISOString()}`;

/** In which zone the page shows times: `Times are in Europe/Berlin (CET). …`. */
export function zoneText(): string {
  const { timeZone } = full.resolvedOptions();
  const name = full.formatToParts(Date.now()).find(({ type }) => type === "timeZoneName")?.value;
  if (timeZone === "UTC") return "Times are in UTC.";
  return `Times are in ${timeZone}${name === undefined ? "" : ` (${name})`}. Hover over a time to see it in UTC.`;
}

/** `+12`, `−3`. */
export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${count(Math.abs(value))}`;
