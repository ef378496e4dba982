/**
 * The parameters of NVD's CVE API 2.0. Names are read in any case, flags have no value, a parameter that is not served is
 * refused by name.
 */
import { type CpeQuery, parseCpe, type VersionRange } from "./cpe.ts";

export interface Window {
  /** ms since the epoch, both inclusive. */
  from: number;
  to: number;
}

export interface CveQuery {
  startIndex: number;
  resultsPerPage: number;
  /** Upper case. */
  ids?: string[];
  modified?: Window;
  published?: Window;
  kev?: Window;
  hasKev: boolean;
  noRejected: boolean;
  /** Values that a record must have, as `facetsOf` (cveFacts.ts) names them. */
  facets: string[];
  /** CVSS version and the metrics that one of its vectors must have. */
  vector?: { version: string; metrics: string[] };
  keywords?: { words: string[]; exact: boolean };
  cpe?: CpeQuery;
  /** All parameters but those of the page: queries with the same text have the same list. */
  text: string;
}

/** Answered with 404 and the header `message`, as NVD does. */
export class Refusal extends Error {}

const MAX_PAGE = 2_000;
const MAX_IDS = 100;
const MAX_WINDOW_MS = 120 * 86_400_000;

/** Offset with hours and minutes, Z, or, leniently, none (UTC). A raw `+` arrives as a space. */
const ISO = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?(Z|[+ -]\d{2}:?\d{2})?$/;

const SEVERITIES = ["LOW", "MEDIUM", "HIGH"];
const TAGS = ["disputed", "unsupported-when-assigned", "exclusively-hosted-service"];

type Given = ReadonlyMap<string, string>;
type Reader = (value: string, query: CveQuery, given: Given) => void;

const invalid = (name: string): Refusal => new Refusal(`Invalid ${name} parameter.`);

const oneOf = (name: string, value: string, values: readonly string[]): string => {
  const found = values.find((one) => one.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw invalid(name);
  return found.toLowerCase();
};

const severity =
  (version: string, values: readonly string[]): Reader =>
  (value, query) => {
    query.facets.push(`severity${version}:${oneOf(`cvssV${version}Severity`, value, values)}`);
  };

const vector =
  (version: string): Reader =>
  (value, query) => {
    const metrics = value
      .toUpperCase()
      .replace(/^CVSS:[\d.]+\//, "")
      .replace(/[()]/g, "")
      .split("/");
    if (!metrics.every((metric) => /^[A-Z]{1,3}:[A-Z]{1,6}$/.test(metric)))
      throw invalid(`cvssV${version}Metrics`);
    query.vector = { version, metrics };
  };

const flag =
  (facet: string): Reader =>
  (_value, query) => {
    query.facets.push(facet);
  };

const text =
  (facet: string, pattern: RegExp): Reader =>
  (value, query) => {
    if (!pattern.test(value)) throw invalid(facet);
    query.facets.push(`${facet}:${value.toLowerCase()}`);
  };

const window =
  (kind: "lastMod" | "pub" | "kev", field: "modified" | "published" | "kev"): Reader =>
  (_value, query, given) => {
    const [start, end] = [given.get(`${kind}StartDate`), given.get(`${kind}EndDate`)];
    if (start === undefined || end === undefined) {
      throw new Refusal(`${kind}StartDate and ${kind}EndDate are required together.`);
    }
    const [from, to] = [time(start), time(end)];
    if (to < from) throw new Refusal("Invalid date range: the start is after the end.");
    if (to - from > MAX_WINDOW_MS) throw new Refusal("Date range cannot exceed 120 days.");
    query[field] = { from, to };
  };

const cpe =
  (name: "cpeName" | "virtualMatchString"): Reader =>
  (value, query, given) => {
    const parsed = parseCpe(value, name === "cpeName");
    if (!parsed) throw invalid(name);
    if (query.cpe) throw new Refusal("cpeName and virtualMatchString exclude one another.");
    const vulnerable = name === "cpeName" && given.has("isVulnerable");
    query.cpe = { name: parsed, vulnerable, versions: name === "cpeName" ? {} : versionsOf(given) };
  };

/** Read together with another parameter. */
const companion =
  (name: string, other: string): Reader =>
  (value, _query, given) => {
    if (!given.has(other)) throw new Refusal(`${name} is read together with ${other}.`);
    if (name.endsWith("Type")) oneOf(name, value, ["including", "excluding"]);
    else if (name.startsWith("version") && value === "") throw invalid(name);
  };

const readers: Readonly<Record<string, Reader>> = {
  startIndex: (value, query) => {
    query.startIndex = whole("startIndex", value);
  },
  resultsPerPage: (value, query) => {
    query.resultsPerPage = whole("resultsPerPage", value);
    if (query.resultsPerPage > MAX_PAGE) {
      throw new Refusal(`resultsPerPage parameter cannot exceed ${MAX_PAGE}.`);
    }
    if (query.resultsPerPage === 0) throw invalid("resultsPerPage");
  },
  cveId: (value, query) => {
    query.ids = ids("cveId", [value]);
  },
  cveIds: (value, query) => {
    query.ids = ids(
      "cveIds",
      value.split(",").map((id) => id.trim()),
    );
  },
  lastModStartDate: window("lastMod", "modified"),
  lastModEndDate: window("lastMod", "modified"),
  pubStartDate: window("pub", "published"),
  pubEndDate: window("pub", "published"),
  kevStartDate: window("kev", "kev"),
  kevEndDate: window("kev", "kev"),
  hasKev: (_value, query) => {
    query.hasKev = true;
  },
  noRejected: (_value, query) => {
    query.noRejected = true;
  },
  hasCertAlerts: flag("certAlert"),
  hasCertNotes: flag("certNote"),
  hasOval: flag("oval"),
  cvssV2Severity: severity("2", SEVERITIES),
  cvssV3Severity: severity("3", [...SEVERITIES, "CRITICAL", "NONE"]),
  cvssV4Severity: severity("4", [...SEVERITIES, "CRITICAL", "NONE"]),
  cvssV2Metrics: vector("2"),
  cvssV3Metrics: vector("3"),
  cvssV4Metrics: vector("4"),
  cweId: text("cweId", /^(CWE-\d{1,6}|NVD-CWE-(Other|noinfo))$/i),
  cveTag: (value, query) => {
    query.facets.push(`cveTag:${oneOf("cveTag", value, TAGS)}`);
  },
  sourceIdentifier: text("sourceIdentifier", /\S/),
  vulnStatus: text("vulnStatus", /^[a-z ]{3,40}$/i),
  keywordSearch: (value, query, given) => {
    const phrase = value.trim().toLowerCase();
    if (phrase === "") throw invalid("keywordSearch");
    const exact = given.has("keywordExactMatch");
    query.keywords = { words: exact ? [phrase.replace(/\s+/g, " ")] : phrase.split(/\s+/), exact };
  },
  keywordExactMatch: companion("keywordExactMatch", "keywordSearch"),
  cpeName: cpe("cpeName"),
  isVulnerable: companion("isVulnerable", "cpeName"),
  virtualMatchString: cpe("virtualMatchString"),
  versionStart: companion("versionStart", "virtualMatchString"),
  versionStartType: companion("versionStartType", "versionStart"),
  versionEnd: companion("versionEnd", "virtualMatchString"),
  versionEndType: companion("versionEndType", "versionEnd"),
};

const FLAGS = new Set([
  "hasKev",
  "noRejected",
  "hasCertAlerts",
  "hasCertNotes",
  "hasOval",
  "keywordExactMatch",
  "isVulnerable",
]);
const names = new Map(Object.keys(readers).map((name) => [name.toLowerCase(), name]));

/** @throws Refusal */
export function readQuery(params: URLSearchParams): CveQuery {
  const given = new Map<string, string>();
  for (const [written, value] of params) {
    // The key may come in the query instead of a header.
    if (written.toLowerCase() === "apikey") continue;
    const name = names.get(written.toLowerCase());
    if (name === undefined) throw new Refusal(`Invalid parameter: ${written}`);
    if (given.has(name)) throw new Refusal(`Invalid parameter: ${name} is given twice.`);
    given.set(name, FLAGS.has(name) ? "" : value);
    if (FLAGS.has(name) && !/^(true)?$/i.test(value))
      throw new Refusal(`Invalid parameter: ${name} has no value.`);
  }
  const versions = ["2", "3", "4"].filter(
    (v) => given.has(`cvssV${v}Severity`) || given.has(`cvssV${v}Metrics`),
  );
  if (versions.length > 1) throw new Refusal("CVSS versions cannot be combined.");
  if (given.has("cveId") && given.has("cveIds")) throw new Refusal("cveId and cveIds exclude one another.");
  const listed = [...given].filter(([name]) => name !== "startIndex" && name !== "resultsPerPage");
  const query: CveQuery = {
    ...{ startIndex: 0, resultsPerPage: MAX_PAGE, hasKev: false, noRejected: false, facets: [] },
    text: JSON.stringify(listed.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  for (const [name, value] of given) readers[name]!(value, query, given);
  for (const kind of ["Start", "End"]) {
    if (given.has(`version${kind}`) !== given.has(`version${kind}Type`)) {
      throw new Refusal(`version${kind} and version${kind}Type are required together.`);
    }
  }
  return query;
}

function whole(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw invalid(name);
  return Number(value);
}

function ids(name: string, values: string[]): string[] {
  if (values.length > MAX_IDS || !values.every((id) => /^CVE-\d{4}-\d{4,19}$/i.test(id))) throw invalid(name);
  return [...new Set(values.map((id) => id.toUpperCase()))];
}

function versionsOf(given: Given): VersionRange {
  const [from, to] = [given.get("versionStart"), given.get("versionEnd")];
  const excluded = (name: string) => given.get(name)?.toLowerCase() === "excluding";
  return {
    ...(from === undefined ? {} : { from, fromExcluded: excluded("versionStartType") }),
    ...(to === undefined ? {} : { to, toExcluded: excluded("versionEndType") }),
  };
}

function time(value: string): number {
  const [, day, clock = "", fraction = "0", zone = "Z"] = ISO.exec(value) ?? [];
  const offset = zone.replace(" ", "+").replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  const seconds = clock.length === 5 ? `${clock}:00` : clock;
  const ms =
    day === undefined ? Number.NaN : Date.parse(`${day}T${seconds}.${fraction.slice(0, 3)}${offset}`);
  if (Number.isNaN(ms)) throw new Refusal("Invalid ISO 8601 date/time format, see documentation.");
  return ms;
}
