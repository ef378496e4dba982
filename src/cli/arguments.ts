/** Parses command arguments; an error names the problem and the allowed values. */
import { hostname, userInfo } from "node:os";
import type { NamedRequest } from "../core/actor.ts";
import { UeeError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { parseDuration, parseTime } from "../core/time.ts";
import type { CliContext } from "./context.ts";

/** `all` or names, each once, in the registry's order. */
export async function parseProviders(context: CliContext, words: readonly string[]): Promise<string[]> {
  const known = await context.providerNames();
  const chosen = new Set<string>();
  for (const word of words) {
    if (word === "all") for (const name of known) chosen.add(name);
    else chosen.add(checked(word, known, ["all"]));
  }
  return known.filter((name) => chosen.has(name));
}

export async function parseProvider(context: CliContext, word: string): Promise<string> {
  return checked(word, await context.providerNames());
}

/** For an option or an argument that may be absent. */
export async function maybeProvider(
  context: CliContext,
  word: string | undefined,
): Promise<string | undefined> {
  return word === undefined ? undefined : parseProvider(context, word);
}

function checked(word: string, known: readonly string[], also: readonly string[] = []): string {
  if (known.includes(word)) return word;
  if (word === "all") {
    throw new UeeError("PROV_UNKNOWN", `This takes one provider at a time: ${known.join(", ")}.`);
  }
  const choices = [...known, ...also];
  throw new UeeError(
    "PROV_UNKNOWN",
    `There is no provider '${word}'.${didYouMean(word, choices)} Known: ${choices.join(", ")}.`,
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

export const parseLimit = (text: string | undefined, usual: number, max: number): number =>
  parseCount(text ?? String(usual), "--limit", { max });

/** ms; undefined when the option is absent. */
export function parseDurationOption(text: string | undefined, option: string): number | undefined {
  try {
    return text === undefined ? undefined : parseDuration(text);
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

/** Who acts, as history and `status` show it (`name@host`), and why: one line of limited length. */
export function person(context: CliContext, reason?: string): NamedRequest {
  const actor = `${userName(context.env)}@${hostname()}`;
  const why = reason?.trim();
  if (why === undefined) return { actor };
  if (why.length >= 1 && why.length <= reasonLimit) return { actor, reason: why };
  throw new UeeError("SYS_USAGE", `--reason takes 1 to ${reasonLimit} characters, not ${why.length}.`);
}

function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id without a name.
    return env.USER || `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
