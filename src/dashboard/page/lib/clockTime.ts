/** Times of day in the browser's time zone. */
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

/** For titles: the local time with its zone, and UTC as in logs. */
export const exactTime = (at: number): string => `${full.format(at)} = ${new Date(at).toISOString()}`;
