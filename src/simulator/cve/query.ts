/**
 * NVD's parameters and its answers to invalid ones: 404, no body, the reason (or nothing) in the header `message`.
 * Names and values are case-insensitive; booleans have no value.
 */
import type { Filter } from "./catalog.ts";
import { cpeAttributes } from "./match.ts";

export interface NvdQuery {
  startIndex: number;
  resultsPerPage: number;
  filter: Filter;
}

/** `message` absent: NVD gives no reason. */
export interface NvdRefusal {
  message?: string;
}

const DAY = 86_400_000;
const MAX_PAGE = 2_000;
const MAX_RANGE = 120 * DAY;
export const pageCapMessage = (max: number): string => `resultsPerPage parameter cannot exceed ${max}.`;
const badDate = "Invalid ISO 8601 date/time format, see documentation.";

/** The offset is mandatory, with hours and minutes, or Z. A raw `+` arrives as a space and is refused. */
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;

const severities = ["LOW", "MEDIUM", "HIGH"];
const flags = [
  "norejected",
  "haskev",
  "hascertalerts",
  "hascertnotes",
  "hasoval",
  "keywordexactmatch",
  "isvulnerable",
];
const oneOf =
  (...values: string[]) =>
  (value: string): boolean =>
    values.some((one) => one.toLowerCase() === value.toLowerCase());
const isType = oneOf("including", "excluding");
const isCpe = (value: string): boolean =>
  /^cpe:2\.3:[aoh*](:|$)/i.test(value) && cpeAttributes(value).length <= 11;

/** Parameters that look into the record, and which values NVD takes. */
const matched: Record<string, (value: string) => boolean> = {
  cvssV2Severity: oneOf(...severities),
  cvssV3Severity: oneOf(...severities, "CRITICAL"),
  cvssV4Severity: oneOf(...severities, "CRITICAL"),
  cvssV2Metrics: (value) => /^[\w:/.()]+$/.test(value),
  cvssV3Metrics: (value) => /^[\w:/.]+$/.test(value),
  cvssV4Metrics: (value) => /^[\w:/.]+$/.test(value),
  cweId: (value) => /^(CWE-\d+|NVD-CWE-(Other|noinfo))$/i.test(value),
  cveTag: oneOf("disputed", "unsupported-when-assigned", "exclusively-hosted-service"),
  sourceIdentifier: (value) => value !== "",
  keywordSearch: (value) => value.trim() !== "",
  cpeName: (value) => isCpe(value) && cpeAttributes(value).length === 11,
  virtualMatchString: isCpe,
  versionStart: (value) => value !== "",
  versionStartType: isType,
  versionEnd: (value) => value !== "",
  versionEndType: isType,
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

const known = new Set([
  "startindex",
  "resultsperpage",
  "cveid",
  "cveids",
  ...["lastmod", "pub", "kev"].flatMap((kind) => [`${kind}startdate`, `${kind}enddate`]),
  ...flags,
  ...matchedNames.keys(),
]);

class Refused extends Error {
  readonly refusal: NvdRefusal;
  constructor(message?: string) {
    super(message ?? "refused");
    this.refusal = message === undefined ? {} : { message };
  }
}

function whole(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw new Refused(`Invalid ${name} parameter.`);
  return Number(text);
}

function time(text: string): number {
  if (!ISO.test(text)) throw new Refused(badDate);
  const ms = Date.parse(
    text
      .toUpperCase()
      .replace(",", ".")
      .replace(/(\.\d{3})\d+/, "$1"),
  );
  if (Number.isNaN(ms)) throw new Refused(badDate);
  return ms;
}

function window(
  given: ReadonlyMap<string, string>,
  kind: "lastmod" | "pub" | "kev",
): { from: number; to: number } | undefined {
  const start = given.get(`${kind}startdate`);
  const end = given.get(`${kind}enddate`);
  if (start === undefined && end === undefined) return undefined;
  // One without the other is refused without a reason.
  if (start === undefined || end === undefined) throw new Refused();
  const from = time(start);
  const to = time(end);
  if (to < from) throw new Refused("Invalid date range: the start is after the end.");
  if (to - from > MAX_RANGE) throw new Refused("Date range cannot exceed 120 days");
  return { from, to };
}

function idsOf(given: ReadonlyMap<string, string>): string[] | undefined {
  const [one, many] = [given.get("cveid"), given.get("cveids")];
  if (one === undefined && many === undefined) return undefined;
  const [name, ids] = one !== undefined ? ["cveId", [one]] : ["cveIds", many!.split(",")];
  if (ids.length > 100 || !ids.every((id) => /^CVE-\d{4}-\d{4,}$/i.test(id)))
    throw new Refused(`Invalid ${name} parameter.`);
  return ids.map((id) => id.toUpperCase());
}

function matchOf(given: ReadonlyMap<string, string>): Record<string, string> {
  for (const [one, other] of needs) {
    if (given.has(one) && !given.has(other)) throw new Refused(`Invalid parameter: ${one} needs ${other}`);
  }
  const versions = ["v2", "v3", "v4"].filter((version) =>
    ["severity", "metrics"].some((what) => given.has(`cvss${version}${what}`)),
  );
  if (versions.length > 1) throw new Refused("CVSS versions cannot be combined.");
  const match: Record<string, string> = {};
  for (const [name, value] of given) {
    const asked = matchedNames.get(name);
    if (asked !== undefined && !matched[asked]!(value)) throw new Refused(`Invalid ${asked} parameter.`);
    if (asked !== undefined || (flags.includes(name) && name !== "norejected")) match[name] = value;
  }
  const kev = window(given, "kev");
  return kev ? { ...match, kevstartdate: String(kev.from), kevenddate: String(kev.to) } : match;
}

export function readQuery(params: URLSearchParams): NvdQuery | { refusal: NvdRefusal } {
  const given = new Map<string, string>();
  for (const [name, value] of params) given.set(name.toLowerCase(), value);
  try {
    for (const [name] of params) {
      if (!known.has(name.toLowerCase())) throw new Refused(`Invalid parameter: ${name}`);
    }
    const resultsPerPage = whole(given.get("resultsperpage"), MAX_PAGE, "resultsPerPage");
    if (resultsPerPage > MAX_PAGE) throw new Refused(pageCapMessage(MAX_PAGE));
    if (resultsPerPage === 0) throw new Refused("Invalid resultsPerPage parameter.");
    const filter: Filter = {};
    const modified = window(given, "lastmod");
    if (modified) Object.assign(filter, { modifiedFrom: modified.from, modifiedTo: modified.to });
    const published = window(given, "pub");
    if (published) Object.assign(filter, { publishedFrom: published.from, publishedTo: published.to });
    const ids = idsOf(given);
    if (ids) filter.ids = ids;
    if (given.has("norejected")) filter.noRejected = true;
    const match = matchOf(given);
    if (Object.keys(match).length > 0) filter.match = match;
    return { startIndex: whole(given.get("startindex"), 0, "startIndex"), resultsPerPage, filter };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.refusal };
    throw error;
  }
}
