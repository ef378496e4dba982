/** Renders points in time: by the local clock, and relative to now. */
import { formatAge, formatRough } from "./numbers.ts";

/** `in 2 h`, `overdue by 5 min`. */
export function formatAhead(iso: string, now: number): string {
  const ahead = Date.parse(iso) - now;
  return ahead < 0 ? `overdue by ${formatRough(-ahead)}` : `in ${formatRough(ahead)}`;
}

/** `14:05:07` by the clock of this machine. */
export const formatClock = (ms: number): string =>
  new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);

/** `14:05` if today, else `Mar 15 14:05`, by the clock of this machine. */
export function formatLocal(iso: string, now: number, { seconds = false } = {}): string {
  const at = new Date(iso);
  const clock = seconds
    ? formatClock(at.getTime())
    : new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
  if (at.toDateString() === new Date(now).toDateString()) return clock;
  const day = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric" }).format(at);
  return `${day} ${clock}`;
}

/** `14:05:07, 3 min ago`: for events whose order in seconds matters. */
export const formatHappened = (iso: string, now: number): string =>
  `${formatLocal(iso, now, { seconds: true })}, ${formatAge(iso, now)}`;

/** `14:05, in 2 h` or `Mar 14 09:00, 27 h ago`. */
export const formatMoment = (iso: string, now: number): string =>
  `${formatLocal(iso, now)}, ${Date.parse(iso) > now ? formatAhead(iso, now) : formatAge(iso, now)}`;
