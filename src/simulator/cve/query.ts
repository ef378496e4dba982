/**
 * NVD's parameters and what it answers to wrong ones: 404, no body, the reason (or nothing) in the header `message`.
 * Names and values are case-insensitive; booleans carry no value.
 */
import type { Filter } from "./catalog.ts";

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

const known = new Set([
  "startindex",
  "resultsperpage",
  "lastmodstartdate",
  "lastmodenddate",
  "pubstartdate",
  "pubenddate",
  "cveid",
  "norejected",
  "haskev",
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
  kind: "lastmod" | "pub",
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
    const id = given.get("cveid")?.toUpperCase();
    if (id !== undefined && !/^CVE-\d{4}-\d{4,}$/.test(id)) throw new Refused("Invalid cveId parameter.");
    if (id !== undefined) filter.id = id;
    if (given.has("norejected")) filter.noRejected = true;
    if (given.has("haskev")) filter.hasKev = true;
    return { startIndex: whole(given.get("startindex"), 0, "startIndex"), resultsPerPage, filter };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.refusal };
    throw error;
  }
}
