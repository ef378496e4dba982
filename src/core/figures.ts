/** Figures for people, always with their unit; the same on the command line and on the dashboard's page. */
const counts = new Intl.NumberFormat("en-US");

export const formatCount = (value: number): string => counts.format(value);

/** `1 record`, `2 records`. */
export const plural = (count: number, noun: string, many = `${noun}s`): string =>
  `${formatCount(count)} ${count === 1 ? noun : many}`;

export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Never rounds up to 100 %: unfinished work must not look finished. */
export const formatPercent = (share: number): string => `${Math.floor(Math.max(0, share) * 100)} %`;

/** `850 ms`, `4.2 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(ms < 9_950 ? 1 : 0)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  const hours = Math.round(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** One unit only, for ages and time left: `26 s`, `4 min`, `2 h`, `5 d`. */
export function formatRough(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function formatAge(iso: string, now: number): string {
  const age = now - Date.parse(iso);
  return age < 2_000 ? "just now" : `${formatRough(age)} ago`;
}
