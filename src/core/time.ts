import { UeeError } from "./errors.ts";

const ISO = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Milliseconds since the epoch for a time in the notation of the upstreams: a time without zone is UTC, any number of
 * fraction digits is read. Undefined when it is no time.
 */
export function parseTime(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [, day, clock = "00:00:00", zone = "Z"] = match;
  const ms = Date.parse(`${day}T${clock.length === 5 ? `${clock}:00` : clock}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}

export const formatTime = (ms: number): string => new Date(ms).toISOString();

/** As NVD writes times: UTC without a zone. */
export const nvdTime = (ms: number): string => formatTime(ms).slice(0, -1);

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `30s`, `10m`, `6h`, `7d` or plain ms. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match)
    throw new UeeError("SYS_USAGE", `'${text}' is not a duration; write 250ms, 30s, 10m, 6h or 7d.`);
  return Math.round(Number(match[1]) * unitMs[match[2] ?? "ms"]!);
}

/** The shortest text that `parseDuration` reads as the same value: `2h`, `90m`, `7d`. */
export function durationSetting(ms: number): string {
  const [unit, size] = Object.entries(unitMs)
    .reverse()
    .find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}
