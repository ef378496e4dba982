/** Formats figures, always with their unit. */
const counts = new Intl.NumberFormat("en-US");
const fine = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const count = (value: number): string => counts.format(value);

/** `1 record`, `2 records`. */
export const plural = (value: number, noun: string, many = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : many}`;

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let left = value;
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1024;
    unit++;
  }
  return `${left >= 100 ? Math.round(left) : fine.format(left)} ${units[unit]}`;
}

/** Never rounds up to 100 %: unfinished work must not look finished. */
export const percent = (share: number): string => `${Math.floor(Math.max(0, share) * 100)} %`;

export const milliseconds = (ms: number): string =>
  ms >= 1_000
    ? `${fine.format(ms / 1_000)} s`
    : `${fine.format(ms >= 100 ? Math.round(ms) : ms < 0.1 ? 0 : ms)} ms`;

export const rate = (perSecond: number, noun = ""): string =>
  `${perSecond >= 10 || perSecond === 0 ? count(Math.round(perSecond)) : fine.format(perSecond)}${noun && ` ${noun}`}/s`;

/** `8 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`: durations of runs and waits, with seconds when they matter. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  const hours = Math.round(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** One unit only, for ages and remaining times: `26 s`, `4 min`, `2 h`, `5 d`. */
export function rough(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

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
