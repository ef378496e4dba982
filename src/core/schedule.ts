/** When a provider's runs open automatically: an interval, a cron expression in UTC, or never. */
import { CronExpressionParser } from "cron-parser";
import { durationSetting, parseDuration } from "./time.ts";

export type Schedule =
  | {
      /** Interval in ms. */
      every: number;
    }
  | {
      /** Five fields, or six with seconds first; UTC. */
      cron: string;
    };

export type ScheduleSetting = Schedule | "off";

const MIN_EVERY_MS = 60_000;
const MAX_EVERY_MS = 366 * 86_400_000;

const fieldNames = ["minute", "hour", "day of the month", "month", "day of the week"];
const nicknames = new Set(["@hourly", "@daily", "@weekly", "@monthly", "@yearly"]);

/** Parses `2h`, `30 3 * * *`, `@daily` or `off`; otherwise returns the reason without repeating the text. */
export function parseSchedule(text: string): { schedule: ScheduleSetting } | { problem: string } {
  const trimmed = text.trim();
  if (trimmed.toLowerCase() === "off") return { schedule: "off" };
  if (trimmed.startsWith("@") || /\s/.test(trimmed)) return parseCron(trimmed.replace(/\s+/g, " "));
  let every: number;
  try {
    every = parseDuration(trimmed);
  } catch {
    return { problem: "" };
  }
  return every >= MIN_EVERY_MS && every <= MAX_EVERY_MS
    ? { schedule: { every } }
    : { problem: "an interval must be between 1m and 366d" };
}

function parseCron(text: string): { schedule: Schedule } | { problem: string } {
  if (text.startsWith("@")) {
    return nicknames.has(text)
      ? { schedule: { cron: text } }
      : { problem: `of the names there are ${[...nicknames].join(", ")}` };
  }
  const fields = text.split(" ");
  if (fields.length !== 5 && fields.length !== 6) {
    return { problem: `a cron expression has five fields, this has ${fields.length}` };
  }
  const names = fields.length === 6 ? ["second", ...fieldNames] : fieldNames;
  for (const [i, field] of fields.entries()) {
    const alone = fields.map((_other, j) => (j === i ? field : "*")).join(" ");
    // `H` stands for a random value, different in every process.
    if (/\bH\b/i.test(field) || !reads(alone)) return { problem: `its ${names[i]} cannot be read` };
  }
  return fires(text) ? { schedule: { cron: text } } : { problem: "there is no such day in any year" };
}

function reads(cron: string): boolean {
  try {
    CronExpressionParser.parse(cron, { tz: "UTC" });
    return true;
  } catch {
    return false;
  }
}

function fires(cron: string): boolean {
  try {
    return CronExpressionParser.parse(cron, { tz: "UTC" }).hasNext();
  } catch {
    return false;
  }
}

/** The expression's next time after `from`, both ms. */
export const nextCron = (cron: string, from: number): number =>
  CronExpressionParser.parse(cron, { tz: "UTC", currentDate: new Date(from) })
    .next()
    .getTime();

/** In the notation that `parseSchedule` reads. */
export const formatSchedule = (schedule: ScheduleSetting): string => {
  if (schedule === "off") return "off";
  return "cron" in schedule ? schedule.cron : durationSetting(schedule.every);
};
