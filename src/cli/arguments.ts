/** Parses command arguments; an error names the problem and the allowed values. */

import { UeeError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { parseDuration, parseTime } from "../core/time.ts";

/** `all` or names, each once, in the registry's order. */
export function parseProviders(words: readonly string[], known: readonly string[]): string[] {
  const chosen = new Set<string>();
  for (const word of words) {
    if (word === "all") for (const name of known) chosen.add(name);
    else chosen.add(parseProvider(word, known, ["all"]));
  }
  return known.filter((name) => chosen.has(name));
}

export function parseProvider(word: string, known: readonly string[], also: readonly string[] = []): string {
  if (known.includes(word)) return word;
  if (word === "all") {
    throw new UeeError("PROV_UNKNOWN", `This takes one provider at a time: ${known.join(", ")}.`);
  }
  const choices = [...known, ...also].join(", ");
  throw new UeeError(
    "PROV_UNKNOWN",
    `There is no provider '${word}'.${didYouMean(word, [...known, ...also])} Known: ${choices}.`,
  );
}

/** A whole number in a range, from an option's text. */
export function parseCount(text: string, option: string, { min = 1, max = 1_000_000_000 } = {}): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < min || value > max) {
    throw new UeeError("SYS_USAGE", `${option} is '${text}'; it takes a whole number from ${min} to ${max}.`);
  }
  return value;
}

export function parseDurationOption(text: string, option: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new UeeError(
      "SYS_USAGE",
      `${option} is '${text}'; it takes a duration such as 250ms, 30s, 10m, 6h or 7d.`,
    );
  }
}

/** A point in time: ISO 8601 (without zone: UTC), or how long ago it was, e.g. `24h`. Milliseconds since the epoch. */
export function parseSince(text: string, now: number): number {
  const time = parseTime(text);
  if (time !== undefined) return time;
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text.trim())) return now - parseDuration(text);
  throw new UeeError(
    "VAL_DATE",
    `'${text}' is not a date UEE can read; write 2026-01-31, 2026-01-31T12:00:00Z or how long ago, such as 24h or 7d.`,
  );
}

const reasonLimit = 500;

/** The reason of an action: one line of limited length, kept in history. */
export function parseReason(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const reason = text.trim();
  if (reason.length >= 1 && reason.length <= reasonLimit) return reason;
  throw new UeeError("SYS_USAGE", `--reason takes 1 to ${reasonLimit} characters, not ${reason.length}.`);
}
