/**
 * The notation of settings: each type reads the text of an environment variable or a flag, or a JSON value of the
 * file.
 */
import { z } from "zod";
import { parseSchedule, type ScheduleSetting } from "../core/schedule.ts";
import { parseDuration } from "../core/time.ts";

export interface Rate {
  max: number;
  windowMs: number;
}

export type RateSetting = Rate | "unlimited";

const byteUnits: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** `24MB`, `1.5GiB` or plain bytes; undefined when it is neither. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)?$/i.exec(text.trim());
  const unit = byteUnits[(match?.[2] ?? "b").toLowerCase()];
  return match && unit !== undefined ? Math.round(Number(match[1]) * unit) : undefined;
}

/** The shortest text that `parseBytes` reads as the same value: `24MB`, `1GiB`. */
export function formatSize(bytes: number): string {
  const texts = Object.entries(byteUnits)
    .filter(([, size]) => bytes % size === 0)
    .map(([unit, size]) => `${bytes / size}${unit.toUpperCase().replace("IB", "iB")}`);
  return texts.reduce((best, text) => (text.length < best.length ? text : best));
}

/** `50/30s` or `unlimited`; undefined when it is neither. */
export function parseRate(text: string): RateSetting | undefined {
  if (text.trim() === "unlimited") return "unlimited";
  const match = /^(\d+)\s*\/\s*(\d+(?:\.\d+)?(?:ms|s|m|h))$/.exec(text.trim());
  if (!match) return undefined;
  const rate = { max: Number(match[1]), windowMs: parseDuration(match[2]!) };
  return rate.max >= 1 && rate.windowMs >= 1 ? rate : undefined;
}

export const formatRate = (rate: RateSetting): string => {
  if (rate === "unlimited") return rate;
  const { max, windowMs } = rate;
  return `${max}/${windowMs % 1_000 === 0 ? `${windowMs / 1_000}s` : `${windowMs}ms`}`;
};

/** @param unit as the documentation shows it; undefined: the setting names it */
const readAs = <Value>(unit: string | undefined, what: string, read: (text: string) => Value | undefined) =>
  z
    .unknown()
    .transform((input, context): Value => {
      const value = typeof input === "string" || typeof input === "number" ? read(String(input)) : undefined;
      if (value !== undefined) return value;
      context.addIssue({ code: "custom", message: `must be ${what}` });
      return z.NEVER;
    })
    .meta({ unit });

const inRange = (value: number, min: number, max: number) =>
  Number.isFinite(value) && value >= min && value <= max ? value : undefined;

/** Milliseconds, written `250ms`, `30s`, `10m`, `6h` or plain ms. */
export const duration = (min: number, max: number) =>
  readAs("duration", `a duration between ${min} ms and ${max} ms, such as 30s`, (text) => {
    try {
      return inRange(parseDuration(text), min, max);
    } catch {
      return undefined;
    }
  });

export const bytes = (min: number) =>
  readAs("bytes", `a size of at least ${min} bytes, such as 24MB`, (text) =>
    inRange(parseBytes(text) ?? Number.NaN, min, Number.MAX_SAFE_INTEGER),
  );

type Bounds = [min: number, max: number, unit?: string];

const number = (pattern: RegExp, what: string, [min, max, unit]: Bounds) =>
  readAs(unit, `${what} from ${min} to ${max}`, (text) =>
    pattern.test(text.trim()) ? inRange(Number(text), min, max) : undefined,
  );

export const wholeNumber = (...bounds: Bounds) => number(/^\d+$/, "a whole number", bounds);

export const factor = (...bounds: Bounds) => number(/^\d+(\.\d+)?(e-?\d+)?$/i, "a number", bounds);

export const rate = () => readAs("requests/window", "a rate such as 50/30s, or unlimited", parseRate);

const scheduleOf = () =>
  z.unknown().transform((input, context): ScheduleSetting => {
    const read = typeof input === "string" ? parseSchedule(input) : { problem: "" };
    if ("schedule" in read) return read.schedule;
    const why = read.problem === "" ? "" : `: ${read.problem}`;
    context.addIssue({
      code: "custom",
      message: `must be an interval such as 2h, a cron expression in UTC such as "0 */2 * * *", or off${why}`,
    });
    return z.NEVER;
  });

export const schedule = () => scheduleOf().meta({ unit: "interval, cron (UTC) or off" });

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z
    .enum(values, { error: `must be one of ${values.join(", ")}` })
    .meta({ unit: `${values.slice(0, -1).join(", ")} or ${values.at(-1)}` });

export const text = () => z.string({ error: "must be text" });

export const httpUrl = () =>
  text()
    .refine(
      (url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol),
      "must be an http:// or https:// address",
    )
    .meta({ unit: "http(s) URL" });

export const httpUrlOrOff = () =>
  z
    .union([z.literal("off"), httpUrl()], { error: "must be an http:// or https:// address, or off" })
    .meta({ unit: "http(s) URL or off" });

/** Sent in a header. Surrounding white space comes from files and copying and is removed. */
export const apiKey = () =>
  text()
    .trim()
    .regex(
      /^(?!["'])[\x21-\x7e]+(?<!["'])$/,
      "must be the key alone: without quotes, and with no space, line break or typographic dash in it; copy it again",
    );
