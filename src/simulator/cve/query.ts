/**
 * NVD's parameters: which values it takes, what they select, and its answers to invalid ones: 404, no body, the reason (or
 * nothing) in the header `message`. Names and values are case-insensitive; booleans have no value.
 */
import { isObject, type JsonObject } from "../../core/json.ts";
import { cpeAttributes, cpeTest } from "./cpe.ts";

/** All bounds are inclusive, ms; all must match. */
export interface Filter {
  modifiedFrom?: number;
  modifiedTo?: number;
  publishedFrom?: number;
  publishedTo?: number;
  ids?: readonly string[];
  noRejected?: boolean;
  /** Conditions on the record itself, by the parameter's name in lower case. */
  match?: Readonly<Record<string, string>>;
}

export interface NvdQuery {
  startIndex: number;
  resultsPerPage: number;
  filter: Filter;
}

/** `message` absent: NVD gives no reason. */
export interface NvdRefusal {
  message?: string;
}

const MAX_PAGE = 2_000;
const MAX_RANGE = 120 * 86_400_000;
export const pageCapMessage = (max: number): string => `resultsPerPage parameter cannot exceed ${max}.`;
const badDate = "Invalid ISO 8601 date/time format, see documentation.";

/** The offset is mandatory, with hours and minutes, or Z. A raw `+` arrives as a space and is refused. */
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;

type Test = (record: JsonObject) => boolean;
/** By name in lower case. */
type Given = Readonly<Record<string, string>>;

/** A parameter that looks into the record: the values that NVD takes (absent: it is a boolean), and what they select. */
interface Matched {
  takes?: (value: string) => boolean;
  /** Absent: it belongs to another parameter. */
  test?: (value: string, all: Given) => Test;
}

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const same = (a: unknown, b: string): boolean => String(a).toLowerCase() === b.toLowerCase();
const oneOf =
  (...values: string[]) =>
  (value: string): boolean =>
    values.some((one) => same(one, value));
const notEmpty = (value: string): boolean => value.trim() !== "";
const isCpe = (value: string): boolean =>
  /^cpe:2\.3:[aoh*](:|$)/i.test(value) && cpeAttributes(value).length <= 11;

/** Severity and vector of a CVSS version, whose metrics have these names. */
const cvss = (
  names: readonly string[],
  severities: readonly string[],
): [severity: Matched, vector: Matched] => {
  const some = (record: JsonObject, test: (metric: JsonObject, data: JsonObject) => boolean): boolean =>
    names.some((name) =>
      list(isObject(record.metrics) ? record.metrics[name] : undefined).some((metric) =>
        test(metric, isObject(metric.cvssData) ? metric.cvssData : {}),
      ),
    );
  return [
    {
      takes: oneOf(...severities),
      test: (value) => (record) =>
        some(record, (metric, data) => same(metric.baseSeverity ?? data.baseSeverity, value)),
    },
    {
      takes: (value) => /^[\w:/.()]+$/.test(value),
      test: (value) => {
        const parts = value
          .toUpperCase()
          .replace(/^CVSS:[\d.]+\//, "")
          .split("/");
        return (record) =>
          some(record, (_, { vectorString }) => {
            const vector = String(vectorString).toUpperCase().split("/");
            return parts.every((part) => vector.includes(part));
          });
      },
    },
  ];
};
const severities = ["LOW", "MEDIUM", "HIGH"];
const [cvssV2Severity, cvssV2Metrics] = cvss(["cvssMetricV2"], severities);
const [cvssV3Severity, cvssV3Metrics] = cvss(["cvssMetricV30", "cvssMetricV31"], [...severities, "CRITICAL"]);
const [cvssV4Severity, cvssV4Metrics] = cvss(["cvssMetricV40"], [...severities, "CRITICAL"]);

const refersTo =
  (pattern: RegExp) =>
  (): Test =>
  ({ references }) =>
    list(references).some(({ url }) => pattern.test(String(url)));

const byCpe = (value: string, all: Given): Test => {
  const matches = cpeTest(value, all);
  return ({ configurations }) =>
    list(configurations).some(({ nodes }) =>
      list(nodes).some(({ cpeMatch }) => list(cpeMatch).some(matches)),
    );
};

const matched: Record<string, Matched> = {
  cvssV2Severity,
  cvssV2Metrics,
  cvssV3Severity,
  cvssV3Metrics,
  cvssV4Severity,
  cvssV4Metrics,
  cweId: {
    takes: (value) => /^(CWE-\d+|NVD-CWE-(Other|noinfo))$/i.test(value),
    test: (value) => (record) =>
      list(record.weaknesses).some(({ description }) =>
        list(description).some((one) => same(one.value, value)),
      ),
  },
  cveTag: {
    takes: oneOf("disputed", "unsupported-when-assigned", "exclusively-hosted-service"),
    test: (value) => (record) =>
      list(record.cveTags).some(({ tags }) => Array.isArray(tags) && tags.some((tag) => same(tag, value))),
  },
  sourceIdentifier: { takes: notEmpty, test: (value) => (record) => same(record.sourceIdentifier, value) },
  keywordSearch: {
    takes: notEmpty,
    test: (value, all) => {
      const wanted = all.keywordexactmatch === undefined ? value.trim().split(/\s+/) : [value];
      return ({ descriptions }) => {
        const english = list(descriptions).filter(({ lang }) => lang === "en");
        const text = english
          .map((one) => String(one.value))
          .join("\n")
          .toLowerCase();
        return wanted.every((word) => text.includes(word.toLowerCase()));
      };
    },
  },
  keywordExactMatch: {},
  hasKev: { test: () => (record) => typeof record.cisaExploitAdd === "string" },
  hasCertAlerts: { test: refersTo(/us-cert\.(gov|cisa\.gov)\/.*alerts/) },
  hasCertNotes: { test: refersTo(/kb\.cert\.org\/vuls/) },
  // NVD no longer has OVAL references.
  hasOval: { test: () => () => false },
  cpeName: { takes: (value) => isCpe(value) && cpeAttributes(value).length === 11, test: byCpe },
  virtualMatchString: { takes: isCpe, test: byCpe },
  isVulnerable: {},
  versionStart: { takes: notEmpty },
  versionStartType: { takes: oneOf("including", "excluding") },
  versionEnd: { takes: notEmpty },
  versionEndType: { takes: oneOf("including", "excluding") },
};
const matchedNames = new Map(Object.keys(matched).map((name) => [name.toLowerCase(), name]));

/** Each is useless without the other, and refused. */
const needs: [string, string][] = [
  ["keywordexactmatch", "keywordsearch"],
  ["isvulnerable", "cpename"],
  ["versionstart", "virtualmatchstring"],
  ["versionend", "virtualmatchstring"],
  ["versionstart", "versionstarttype"],
  ["versionstarttype", "versionstart"],
  ["versionend", "versionendtype"],
  ["versionendtype", "versionend"],
];

const ranges = ["lastmod", "pub", "kev"] as const;
const known = new Set([
  ...["startindex", "resultsperpage", "cveid", "cveids", "norejected"],
  ...ranges.flatMap((kind) => [`${kind}startdate`, `${kind}enddate`]),
  ...matchedNames.keys(),
]);

class Refused extends Error {
  readonly refusal: NvdRefusal;
  constructor(message?: string) {
    super(message ?? "refused");
    this.refusal = message === undefined ? {} : { message };
  }
}
const invalid = (name: string): Refused => new Refused(`Invalid ${name} parameter.`);

function whole(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw invalid(name);
  return Number(text);
}

function time(text: string): number {
  const readable = text
    .toUpperCase()
    .replace(",", ".")
    .replace(/(\.\d{3})\d+/, "$1");
  const ms = ISO.test(text) ? Date.parse(readable) : Number.NaN;
  if (Number.isNaN(ms)) throw new Refused(badDate);
  return ms;
}

function window(given: Given, kind: (typeof ranges)[number]): { from: number; to: number } | undefined {
  const [start, end] = [given[`${kind}startdate`], given[`${kind}enddate`]];
  if (start === undefined && end === undefined) return undefined;
  // One without the other is refused without a reason.
  if (start === undefined || end === undefined) throw new Refused();
  const [from, to] = [time(start), time(end)];
  if (to < from) throw new Refused("Invalid date range: the start is after the end.");
  if (to - from > MAX_RANGE) throw new Refused("Date range cannot exceed 120 days");
  return { from, to };
}

function idsOf({ cveid, cveids }: Given): string[] | undefined {
  const ids = cveid === undefined ? cveids?.split(",") : [cveid];
  if (ids && (ids.length > 100 || !ids.every((id) => /^CVE-\d{4}-\d{4,}$/i.test(id))))
    throw invalid(cveid === undefined ? "cveIds" : "cveId");
  return ids?.map((id) => id.toUpperCase());
}

function matchOf(given: Given): Record<string, string> {
  for (const [one, other] of needs) {
    if (one in given && !(other in given)) throw new Refused(`Invalid parameter: ${one} needs ${other}`);
  }
  const versions = new Set(Object.keys(given).flatMap((name) => /^cvssv(\d)/.exec(name)?.[1] ?? []));
  if (versions.size > 1) throw new Refused("CVSS versions cannot be combined.");
  const match: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const asked = matchedNames.get(name);
    if (asked === undefined) continue;
    if (matched[asked]!.takes?.(value) === false) throw invalid(asked);
    match[name] = value;
  }
  const kev = window(given, "kev");
  return kev ? { ...match, kevstartdate: String(kev.from), kevenddate: String(kev.to) } : match;
}

/** The conditions of a filter on the record itself: true if all of them match. */
export function matcher(all: Given): Test {
  const tests = Object.entries(all).flatMap(
    ([name, value]) => matched[matchedNames.get(name) ?? ""]?.test?.(value, all) ?? [],
  );
  if (all.kevstartdate !== undefined)
    tests.push((record) => {
      const added = Date.parse(`${String(record.cisaExploitAdd)}T00:00:00Z`);
      return added >= Number(all.kevstartdate) && added <= Number(all.kevenddate);
    });
  return (record) => tests.every((test) => test(record));
}

export function readQuery(params: URLSearchParams): NvdQuery | { refusal: NvdRefusal } {
  const given = Object.fromEntries(Array.from(params, ([name, value]) => [name.toLowerCase(), value]));
  try {
    for (const [name] of params) {
      if (!known.has(name.toLowerCase())) throw new Refused(`Invalid parameter: ${name}`);
    }
    const resultsPerPage = whole(given.resultsperpage, MAX_PAGE, "resultsPerPage");
    if (resultsPerPage > MAX_PAGE) throw new Refused(pageCapMessage(MAX_PAGE));
    if (resultsPerPage === 0) throw invalid("resultsPerPage");
    const filter: Filter = {};
    const modified = window(given, "lastmod");
    if (modified) Object.assign(filter, { modifiedFrom: modified.from, modifiedTo: modified.to });
    const published = window(given, "pub");
    if (published) Object.assign(filter, { publishedFrom: published.from, publishedTo: published.to });
    const ids = idsOf(given);
    if (ids) filter.ids = ids;
    if ("norejected" in given) filter.noRejected = true;
    const match = matchOf(given);
    if (Object.keys(match).length > 0) filter.match = match;
    return { startIndex: whole(given.startindex, 0, "startIndex"), resultsPerPage, filter };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.refusal };
    throw error;
  }
}
