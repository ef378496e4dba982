/**
 * NVD's parameters that look into a record. CPE names are compared by simple rules:
 *
 * - attribute by attribute, without regard to case; `*` on either side matches anything, and what a virtual match string
 *   leaves out counts as `*`;
 * - a criterion whose version is `*` matches a version only within its own versionStart/versionEnd bounds;
 * - `versionStart` and `versionEnd` of a request bound the criterion's version, or overlap its range.
 */
import { isObject, type JsonObject } from "../../core/json.ts";

type Test = (record: JsonObject) => boolean;
type Parameters = Readonly<Record<string, string>>;

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const same = (a: unknown, b: string): boolean => String(a).toLowerCase() === b.toLowerCase();

const cvss = (record: JsonObject, ...names: string[]): JsonObject[] =>
  names.flatMap((name) => list(isObject(record.metrics) ? record.metrics[name] : undefined));
const cvssNames = [
  ["cvssv2", ["cvssMetricV2"]],
  ["cvssv3", ["cvssMetricV30", "cvssMetricV31"]],
  ["cvssv4", ["cvssMetricV40"]],
] as const;

const cvssTests = cvssNames.flatMap(([prefix, names]): [string, (value: string) => Test][] => [
  [
    `${prefix}severity`,
    (value) => (record) =>
      cvss(record, ...names).some((metric) =>
        same(metric.baseSeverity ?? (isObject(metric.cvssData) ? metric.cvssData.baseSeverity : ""), value),
      ),
  ],
  [
    `${prefix}metrics`,
    (value) => {
      const wanted = value
        .toUpperCase()
        .replace(/^CVSS:[\d.]+\//, "")
        .split("/");
      return (record) =>
        cvss(record, ...names).some((metric) => {
          const vector = isObject(metric.cvssData) ? String(metric.cvssData.vectorString).toUpperCase() : "";
          return wanted.every((part) => vector.split("/").includes(part));
        });
    },
  ],
]);

const englishText = (record: JsonObject): string =>
  list(record.descriptions)
    .filter(({ lang }) => lang === "en")
    .map(({ value }) => String(value))
    .join("\n")
    .toLowerCase();

const referencesTo = (record: JsonObject, pattern: RegExp): boolean =>
  list(record.references).some(({ url }) => pattern.test(String(url)));

const tests = new Map<string, (value: string, all: Parameters) => Test>([
  ...cvssTests,
  ["sourceidentifier", (value) => (record) => same(record.sourceIdentifier, value)],
  [
    "cweid",
    (value) => (record) =>
      list(record.weaknesses).some(({ description }) =>
        list(description).some((one) => same(one.value, value)),
      ),
  ],
  [
    "cvetag",
    (value) => (record) =>
      list(record.cveTags).some(({ tags }) => Array.isArray(tags) && tags.some((tag) => same(tag, value))),
  ],
  [
    "keywordsearch",
    (value, all) => {
      const wanted = all.keywordexactmatch === undefined ? value.trim().split(/\s+/) : [value];
      return (record) => {
        const text = englishText(record);
        return wanted.every((word) => text.includes(word.toLowerCase()));
      };
    },
  ],
  ["haskev", () => (record) => typeof record.cisaExploitAdd === "string"],
  ["hascertalerts", () => (record) => referencesTo(record, /us-cert\.(gov|cisa\.gov)\/.*alerts/)],
  ["hascertnotes", () => (record) => referencesTo(record, /kb\.cert\.org\/vuls/)],
  // NVD no longer has OVAL references.
  ["hasoval", () => () => false],
  [
    "kevstartdate",
    (value, all) => (record) => {
      const added = Date.parse(`${String(record.cisaExploitAdd)}T00:00:00Z`);
      return added >= Number(value) && added <= Number(all.kevenddate);
    },
  ],
  ["cpename", (value, all) => cpeTest(value, all)],
  ["virtualmatchstring", (value, all) => cpeTest(value, all)],
]);

/** True if all conditions match. Names without a test of their own belong to another one. */
export function matcher(all: Parameters): Test {
  const chosen = Object.entries(all).flatMap(([name, value]) => tests.get(name)?.(value, all) ?? []);
  return (record) => chosen.every((test) => test(record));
}

/** Attributes of a CPE 2.3 name; an escaped colon does not part them. */
export const cpeAttributes = (cpe: string): string[] => cpe.split(/(?<!\\):/).slice(2);
const VERSION = 3;

function cpeTest(value: string, all: Parameters): Test {
  const wanted = cpeAttributes(value.toLowerCase());
  const from = all.versionstart;
  const to = all.versionend;
  const bounds: Bounds = {
    ...(from === undefined ? {} : { from, fromOpen: all.versionstarttype?.toLowerCase() === "excluding" }),
    ...(to === undefined ? {} : { to, toOpen: all.versionendtype?.toLowerCase() === "excluding" }),
  };
  const matches = (match: JsonObject): boolean => {
    if (all.isvulnerable !== undefined && match.vulnerable !== true) return false;
    const attributes = cpeAttributes(String(match.criteria).toLowerCase());
    const equal = wanted.every(
      (one, i) =>
        one === "*" || attributes[i] === "*" || attributes[i] === undefined || one === attributes[i],
    );
    if (!equal) return false;
    const version = wanted[VERSION] ?? "*";
    if (version !== "*") return attributes[VERSION] !== "*" || overlap(boundsOf(match), exactly(version));
    return overlap(
      attributes[VERSION] === "*" ? boundsOf(match) : exactly(attributes[VERSION] ?? "*"),
      bounds,
    );
  };
  return (record) =>
    list(record.configurations).some(({ nodes }) =>
      list(nodes).some(({ cpeMatch }) => list(cpeMatch).some(matches)),
    );
}

/** A range of versions; absent bounds do not bound. */
interface Bounds {
  from?: string;
  fromOpen?: boolean;
  to?: string;
  toOpen?: boolean;
}

const exactly = (version: string): Bounds => ({ from: version, to: version });

function boundsOf(match: JsonObject): Bounds {
  const from = match.versionStartIncluding ?? match.versionStartExcluding;
  const to = match.versionEndIncluding ?? match.versionEndExcluding;
  return {
    ...(from === undefined
      ? {}
      : { from: String(from), fromOpen: match.versionStartExcluding !== undefined }),
    ...(to === undefined ? {} : { to: String(to), toOpen: match.versionEndExcluding !== undefined }),
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
