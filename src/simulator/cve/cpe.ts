/**
 * CPE names of NVD's parameters, compared by simple rules:
 *
 * - attribute by attribute, without regard to case; `*` on either side matches anything, and what a virtual match string
 *   leaves out counts as `*`;
 * - a criterion whose version is `*` matches a version only within its own versionStart/versionEnd bounds;
 * - `versionStart` and `versionEnd` of a request bound the criterion's version, or overlap its range.
 */
import type { JsonObject } from "../../core/json.ts";

/** Attributes of a CPE 2.3 name; an escaped colon does not part them. */
export const cpeAttributes = (cpe: string): string[] => cpe.split(/(?<!\\):/).slice(2);
const VERSION = 3;

/** A range of versions; absent bounds do not bound. */
interface Bounds {
  from: string | undefined;
  to: string | undefined;
  fromOpen?: boolean;
  toOpen?: boolean;
}

/** Does a `cpeMatch` of a record match the CPE of a request with these parameters (names in lower case)? */
export function cpeTest(
  value: string,
  all: Readonly<Record<string, string>>,
): (match: JsonObject) => boolean {
  const wanted = cpeAttributes(value.toLowerCase());
  const version = wanted[VERSION] ?? "*";
  const asked: Bounds =
    version !== "*"
      ? { from: version, to: version }
      : {
          from: all.versionstart,
          to: all.versionend,
          fromOpen: all.versionstarttype?.toLowerCase() === "excluding",
          toOpen: all.versionendtype?.toLowerCase() === "excluding",
        };
  return (match) => {
    if (all.isvulnerable !== undefined && match.vulnerable !== true) return false;
    const attributes = cpeAttributes(String(match.criteria).toLowerCase());
    if (!wanted.every((one, i) => [one, "*", undefined].includes(attributes[i]) || one === "*")) return false;
    const own = attributes[VERSION] ?? "*";
    return overlap(own === "*" ? boundsOf(match) : { from: own, to: own }, asked);
  };
}

function boundsOf(match: JsonObject): Bounds {
  const text = (value: unknown): string | undefined => (value === undefined ? undefined : String(value));
  return {
    from: text(match.versionStartIncluding ?? match.versionStartExcluding),
    to: text(match.versionEndIncluding ?? match.versionEndExcluding),
    fromOpen: match.versionStartExcluding !== undefined,
    toOpen: match.versionEndExcluding !== undefined,
  };
}

const overlap = (a: Bounds, b: Bounds): boolean => reaches(a, b) && reaches(b, a);

/** Does `a` begin before `b` ends? */
function reaches(a: Bounds, b: Bounds): boolean {
  if (a.from === undefined || b.to === undefined) return true;
  const order = compareVersions(a.from, b.to);
  return order < 0 || (order === 0 && !a.fromOpen && !b.toOpen);
}

/** Numbers as numbers, everything else as text; a missing part is smallest. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((one) => one.toLowerCase().split(/[^a-z0-9]+|(?<=\d)(?=[a-z])/));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const [x = "", y = ""] = [left![i], right![i]];
    if (x === y) continue;
    const numeric = /^\d+$/.test(x) && /^\d+$/.test(y);
    if (numeric && Number(x) !== Number(y)) return Number(x) - Number(y);
    if (!numeric) return x < y ? -1 : 1;
  }
  return 0;
}
