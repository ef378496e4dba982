/**
 * CPE 2.3 names against the criteria of a CVE's configurations, as NVD's API compares them:
 *
 *  - attribute by attribute, without regard to case. `*` on either side matches everything; `-` (not applicable) matches
 *    itself alone; `*` and `?` inside a value are wildcards, escaped they are characters.
 *  - What a virtual match string leaves out counts as `*`.
 *  - A criterion whose version is `*` matches a version only within its own versionStart/versionEnd bounds, and a range
 *    of versions only where the two overlap.
 */
import type { JsonObject } from "../../core/json.ts";

const ATTRIBUTES = 11;
const VERSION = 3;

/** A range of versions; absent bounds do not bound. */
export interface VersionRange {
  from?: string;
  fromExcluded?: boolean;
  to?: string;
  toExcluded?: boolean;
}

/** The parsed attributes of a CPE 2.3 name, lower case, in their order: part, vendor, product, version, … */
export type CpeName = readonly string[];

/** Undefined where the text is no CPE 2.3 name. `complete`: all eleven attributes must be there. */
export function parseCpe(text: string, complete: boolean): CpeName | undefined {
  const [prefix, version, ...attributes] = text.toLowerCase().split(/(?<!\\):/);
  if (prefix !== "cpe" || version !== "2.3" || attributes.length === 0) return undefined;
  if (!/^[aoh*]$/.test(attributes[0]!)) return undefined;
  if (complete ? attributes.length !== ATTRIBUTES : attributes.length > ATTRIBUTES) return undefined;
  return attributes.some((one) => one === "" || /\s/.test(one)) ? undefined : attributes;
}

/** The values of a criterion that decide whether it matches, one string for those that are equal. */
export function criterionKey(match: JsonObject): string {
  const { versionStartIncluding: si, versionStartExcluding: se } = match;
  const { versionEndIncluding: ei, versionEndExcluding: ee } = match;
  const bound = (value: unknown, mark: string) => (typeof value === "string" ? `${mark}${value}` : "");
  const start = bound(si, "[") || bound(se, "(");
  const end = bound(ei, "]") || bound(ee, ")");
  const vulnerable = match.vulnerable === true ? "1" : "0";
  return `${vulnerable}\t${start}\t${end}\t${String(match.criteria).toLowerCase()}`;
}

/** Finds the part, vendor and product of a key without parsing the rest. */
export function productOf(key: string): string {
  const name = key.slice(key.lastIndexOf("\t") + 1);
  return name
    .split(/(?<!\\):/, 5)
    .slice(2)
    .join(":");
}

export interface CpeQuery {
  name: CpeName;
  /** Only criteria that say so. */
  vulnerable: boolean;
  versions: VersionRange;
}

/** Tests a criterion by its key. */
export function criterionTest({ name, vulnerable, versions }: CpeQuery): (key: string) => boolean {
  const wanted = name[VERSION] ?? "*";
  const versionMatches = (version: string, own: VersionRange): boolean => {
    if (wanted === "-") return version === "-" || (version === "*" && isOpen(own));
    if (version === "-") return wanted === "*" && isOpen(versions);
    const covered = version === "*" ? own : exactly(plain(version));
    if (!overlap(covered, versions)) return false;
    if (wanted === "*") return true;
    if (version !== "*") return attributeMatches(wanted, version);
    return wildcards(wanted) !== undefined || overlap(own, exactly(plain(wanted)));
  };
  return (key) => {
    const [flag, start = "", end = "", text = ""] = key.split("\t");
    if (vulnerable && flag !== "1") return false;
    const criterion = text.split(/(?<!\\):/).slice(2);
    const same = name.every((value, i) => i === VERSION || attributeMatches(value, criterion[i]));
    return same && versionMatches(criterion[VERSION] ?? "*", boundsOf(start, end));
  };
}

const isOpen = ({ from, to }: VersionRange): boolean => from === undefined && to === undefined;

function boundsOf(start: string, end: string): VersionRange {
  return {
    ...(start === "" ? {} : { from: start.slice(1), fromExcluded: start[0] === "(" }),
    ...(end === "" ? {} : { to: end.slice(1), toExcluded: end[0] === ")" }),
  };
}

function attributeMatches(a: string, b: string | undefined): boolean {
  if (a === b || a === "*" || b === undefined || b === "*") return true;
  if (a === "-" || b === "-") return false;
  return wildcards(a)?.test(b) ?? wildcards(b)?.test(a) ?? false;
}

/** Undefined where the value has no wildcard. */
function wildcards(value: string): RegExp | undefined {
  if (!/(?<!\\)[*?]/.test(value)) return undefined;
  const pattern = value
    .split(/(\\.|[*?])/)
    .map((piece) => {
      if (piece === "*") return ".*";
      if (piece === "?") return ".?";
      return piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${pattern}$`);
}

/** Without the escapes of a CPE name: versions in bounds are plain text. */
const plain = (value: string): string => value.replace(/\\(.)/g, "$1");

const exactly = (version: string): VersionRange => ({ from: version, to: version });

const overlap = (a: VersionRange, b: VersionRange): boolean => begins(a, b) && begins(b, a);

/** Whether `a` begins before `b` ends. */
function begins(a: VersionRange, b: VersionRange): boolean {
  if (a.from === undefined || b.to === undefined) return true;
  const order = compareVersions(a.from, b.to);
  return order < 0 || (order === 0 && !a.fromExcluded && !b.toExcluded);
}

/**
 * Orders versions part by part: numbers as numbers, letters as text. A part that is missing is lower than a number and
 * higher than a word that names a release before the final one (`2.0-rc1` < `2.0` < `2.0.1`).
 */
function compareVersions(a: string, b: string): number {
  const left = partsOf(a);
  const right = partsOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x = "", y = ""] = [left[i], right[i]];
    if (x === y) continue;
    const [rankX, rankY] = [rankOf(x), rankOf(y)];
    if (rankX !== rankY) return rankX - rankY;
    if (rankX === NUMBER) {
      const order = BigInt(x) - BigInt(y);
      if (order !== 0n) return order < 0n ? -1 : 1;
      continue;
    }
    return x < y ? -1 : 1;
  }
  return 0;
}

const NUMBER = 3;
const BEFORE_FINAL = /^(alpha|beta|rc|pre|preview|dev|snapshot|milestone|canary|nightly)$/;

const partsOf = (version: string): string[] => version.toLowerCase().match(/\d+|[a-z]+/g) ?? [];

const rankOf = (part: string): number => {
  if (part === "") return 1;
  if (/^\d/.test(part)) return NUMBER;
  return BEFORE_FINAL.test(part) ? 0 : 2;
};
