/**
 * An edition of an upstream that publishes everything at once, as the upstream names it, and the order of editions.
 * The order tells a new edition from an old one that a lagging server still delivers.
 */
import { parseTime } from "./time.ts";

/** How one published file names its edition. Every member is optional: sources name different things. */
export interface EditionName {
  /** Verbatim: `4.18`, `17.1`, `v2025.03.14`. */
  version?: string;
  /** The edition's own date, verbatim. */
  date?: string;
}

export interface Edition extends EditionName {
  /**
   * `Last-Modified` of the answer. Servers of one upstream may differ in it, so it counts only when nothing else can
   * be compared.
   */
  lastModified?: string;
  /** Digest of the bytes: equal bytes are the same edition, whatever its name. */
  digest?: string;
  /** What else the source says about the edition, under the source's own names: `model_version`, `score_date`. */
  metadata?: Record<string, string>;
  /** For editions of several files with separate names: part → its name. */
  parts?: Record<string, EditionName>;
}

/** Names of editions are stored and shown. A longer one is a mistake of the source and is cut. */
const MAX_NAME = 100;

/** The members that are non-empty texts; all others are left out. */
export function editionOf<Name extends string>(names: Record<Name, unknown>): Partial<Record<Name, string>> {
  const known: Partial<Record<Name, string>> = {};
  for (const [name, value] of Object.entries(names) as [Name, unknown][]) {
    if (typeof value === "string" && value !== "") known[name] = value.slice(0, MAX_NAME);
  }
  return known;
}

/** A date this far in the future is an error of the source and is ignored in the order. */
const DATE_SLACK_MS = 48 * 3_600_000;

/**
 * Is `candidate` older than `known`? Only when everything comparable agrees: an earlier date with a higher version is
 * a corrected date, a lower version with a later date a deliberate withdrawal. Equal or incomparable names are not
 * older. An edition of several parts is older as soon as one part is.
 * @param nowMs the current time, for dates in the future
 * @param sameSource whether both came from the same address: `Last-Modified` cannot be compared otherwise
 */
export function isOlderEdition(
  candidate: Edition,
  known: Edition,
  { nowMs, sameSource }: { nowMs: number; sameSource: boolean },
): boolean {
  if (candidate.digest !== undefined && candidate.digest === known.digest) return false;
  const latest = nowMs + DATE_SLACK_MS;
  if (candidate.parts && known.parts) {
    const ours = candidate.parts;
    return Object.entries(known.parts).some(([part, name]) => {
      const order = ours[part] && compareNames(ours[part], name, latest);
      return order !== undefined && order < 0;
    });
  }
  const order = compareNames(candidate, known, latest);
  if (order !== undefined) return order < 0;
  if (!sameSource) return false;
  const [ours, theirs] = [Date.parse(candidate.lastModified ?? ""), Date.parse(known.lastModified ?? "")];
  return ours < theirs && theirs <= latest;
}

/** Negative: older; positive: newer; 0: equal, or date and version contradict each other; undefined: incomparable. */
function compareNames(a: EditionName, b: EditionName, latest: number): number | undefined {
  const [dateA, dateB] = [usableDate(a.date, latest), usableDate(b.date, latest)];
  const byDate = dateA === undefined || dateB === undefined ? undefined : Math.sign(dateA - dateB);
  const byVersion = compareEditionVersions(a.version, b.version);
  if (byDate === undefined) return byVersion;
  if (byVersion === undefined || byVersion === 0 || byDate === 0) return byDate || (byVersion ?? 0);
  return byDate === byVersion ? byDate : 0;
}

function usableDate(date: string | undefined, latest: number): number | undefined {
  const ms = parseTime(date);
  return ms === undefined || ms > latest ? undefined : ms;
}

/** Compared number by number: 4.9 is older than 4.18. Undefined when one of them has no number. */
export function compareEditionVersions(a: string | undefined, b: string | undefined): number | undefined {
  const [numbersA, numbersB] = [a?.match(/\d+/g), b?.match(/\d+/g)];
  if (!numbersA || !numbersB) return undefined;
  for (let i = 0; i < Math.max(numbersA.length, numbersB.length); i++) {
    const difference = Number(numbersA[i] ?? "0") - Number(numbersB[i] ?? "0");
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** For display: `4.18 of 2025-09-09`; where only the parts have versions `enterprise 18.1, ics 18.0`. */
export function describeEdition({ version, date, lastModified, parts }: Edition): string {
  const versions = Object.entries(parts ?? {}).flatMap(([part, name]) =>
    name.version === undefined ? [] : `${part} ${name.version}`,
  );
  const name = version ?? (versions.length > 0 ? versions.join(", ") : undefined);
  if (name !== undefined) return date === undefined ? name : `${name} of ${date}`;
  return date ?? lastModified ?? "without a name";
}
