/** What queries ask of a CVE: read from the record once, when it enters the index. */
import { isObject, type JsonObject } from "../../core/json.ts";
import { criterionKey } from "./cpe.ts";

export interface CveFacts {
  /** ms since the epoch; 0 where the record has none. */
  published: number;
  lastModified: number;
  rejected: boolean;
  /** Values of the filters that compare for equality, lower case: `cweId:cwe-79`. */
  facets: string[];
  /** CVSS vectors: `3:AV:N/AC:L/…`. */
  vectors: string[];
  /** Keys of the criteria that count (cpe.ts). */
  criteria: string[];
  /** English descriptions, lower case, with single spaces. */
  text: string;
  /** ms of the day on which NVD says that CISA added it to KEV. */
  kevAdded: number | undefined;
}

const METRICS = [
  ["2", "cvssMetricV2"],
  ["3", "cvssMetricV30"],
  ["3", "cvssMetricV31"],
  ["4", "cvssMetricV40"],
] as const;

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const lower = (value: unknown): string => (typeof value === "string" ? value.toLowerCase() : "");

/** NVD's times have no zone and are UTC. */
function timeOf(value: unknown): number {
  if (typeof value !== "string") return 0;
  const text = value.replace(/(\.\d{3})\d+/, "$1");
  const ms = Date.parse(/(Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`);
  return Number.isNaN(ms) ? 0 : ms;
}

/** A day as KEV and NVD write it, as ms. */
export function dayOf(value: unknown): number | undefined {
  const ms = typeof value === "string" ? Date.parse(`${value.slice(0, 10)}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

export function factsOf(record: JsonObject): CveFacts {
  const facets = new Set<string>();
  const vectors = new Set<string>();
  const add = (name: string, value: unknown): void => {
    const text = lower(value);
    if (text !== "") facets.add(`${name}:${text}`);
  };
  add("vulnStatus", record.vulnStatus);
  add("sourceIdentifier", record.sourceIdentifier);
  for (const { description } of list(record.weaknesses)) {
    for (const { value } of list(description)) add("cweId", value);
  }
  for (const { tags } of list(record.cveTags)) {
    for (const tag of Array.isArray(tags) ? tags : []) add("cveTag", tag);
  }
  const metrics = isObject(record.metrics) ? record.metrics : {};
  for (const [version, name] of METRICS) {
    for (const { baseSeverity, cvssData } of list(metrics[name])) {
      const data = isObject(cvssData) ? cvssData : {};
      add(`severity${version}`, baseSeverity ?? data.baseSeverity);
      if (typeof data.vectorString === "string") vectors.add(`${version}:${vectorOf(data.vectorString)}`);
    }
  }
  for (const { url, tags } of list(record.references)) {
    const address = lower(url);
    if (/us-cert\.(cisa\.)?gov\/(ncas\/alerts|cas\/(techalerts|alerts))/.test(address))
      facets.add("certAlert");
    if (/kb\.cert\.org\/vuls/.test(address)) facets.add("certNote");
    if (/\/\/oval\./.test(address) || (Array.isArray(tags) && tags.includes("OVAL"))) facets.add("oval");
  }
  return {
    published: timeOf(record.published),
    lastModified: timeOf(record.lastModified),
    rejected: lower(record.vulnStatus) === "rejected",
    facets: [...facets],
    vectors: [...vectors],
    criteria: criteriaOf(record),
    text: list(record.descriptions)
      .filter(({ lang }) => lang === "en")
      .map(({ value }) => lower(value))
      .join("\n")
      .replace(/\s+/g, " "),
    kevAdded: dayOf(record.cisaExploitAdd),
  };
}

const vectorOf = (text: string): string =>
  text
    .toUpperCase()
    .replace(/^CVSS:[\d.]+\//, "")
    .replace(/[()]/g, "");

/** A criterion inside a negated node says what is not affected: it counts for no query. */
function criteriaOf(record: JsonObject): string[] {
  const keys = new Set<string>();
  for (const { negate, nodes } of list(record.configurations)) {
    for (const node of list(nodes)) {
      if ((negate === true) !== (node.negate === true)) continue;
      for (const match of list(node.cpeMatch)) keys.add(criterionKey(match));
    }
  }
  return [...keys];
}
