/**
 * Every fault of the simulator, as a table: where it applies, in which phase of an answer, and its cost for a correct
 * client. Groups for tests are derived from it.
 *
 * Phases: `respond` answers instead of the upstream; `content` changes the content of the answer; `deliver` breaks a
 * correct answer during delivery.
 * Cost: `retry` one more request is needed; `pass` a listing must be walked again; `lasting` it stays as long as it
 * is enabled, and the client must refuse or set aside what it received; `benign` a correct client does not notice it.
 */
import { type StandIn, standIns } from "../types.ts";

export type Phase = "respond" | "content" | "deliver";
export type Cost = "retry" | "pass" | "lasting" | "benign";

export interface FaultEntry {
  phase: Phase;
  on: readonly StandIn[];
  cost: Cost;
  /** The meaning of the argument in parentheses, with its default; absent: no argument. */
  arg?: string;
  does: string;
}

const every = standIns;
const json = ["cve", "cwe", "attack", "kev"] as const;
const xml = ["cwe", "capec"] as const;
const texts = standIns.filter((name) => name !== "feeds" && name !== "epss");

const of =
  (phase: Phase) =>
  (on: readonly StandIn[], cost: Cost, does: string, arg?: string): FaultEntry => ({
    phase,
    on,
    cost,
    does,
    ...(arg === undefined ? {} : { arg }),
  });
const [respond, content, deliver] = [of("respond"), of("content"), of("deliver")];

export const faultCatalog = {
  "status-403": respond(every, "retry", "firewall page, forbidden by administrative rules"),
  "status-401": respond(["feeds"], "lasting", "unauthorized"),
  "status-1015": respond(every, "retry", "429 of Cloudflare: text/plain `error code: 1015`"),
  "status-429": respond(every, "retry", "too many requests", "Retry-After in s (0)"),
  "status-503": respond(every, "retry", "HTML page without Retry-After"),
  "status-503-retry-after": respond(every, "retry", "with Retry-After", "Retry-After in s (1)"),
  "status-500": respond(every, "retry", "internal server error"),
  "status-502": respond(every, "retry", "bad gateway"),
  "status-504": respond(every, "retry", "gateway time-out"),
  "status-520": respond(every, "retry", "Cloudflare: unknown error"),
  "status-524": respond(every, "retry", "Cloudflare: time-out, text/plain `error code: 524`"),
  "status-408": respond(every, "retry", "request time-out"),
  "status-404": respond(every, "lasting", "404 without a reason"),
  "bad-key": respond(["cve"], "lasting", "404 Invalid apiKey"),
  "html-200": respond(every, "retry", "Cloudflare's `Attention Required!` page with status 200"),
  "empty-body": respond(every, "retry", "200 with 0 bytes"),
  reset: respond(every, "retry", "the connection is reset before any header"),
  "stall-headers": respond(every, "retry", "never answers"),
  "redirect-301": respond(every, "benign", "moved permanently, to an address that answers"),
  "redirect-302": respond(every, "benign", "found, at an address that answers"),
  "redirect-loop": respond(every, "lasting", "redirects to itself"),
  "redirect-elsewhere": respond(every, "benign", "redirects to another host (which would answer)"),
  "page-cap": content(["cve"], "retry", "404 resultsPerPage parameter cannot exceed N", "N (500)"),
  "empty-200": content(["cve"], "retry", "valid page with totalResults 0"),
  "short-page": content(["cve"], "retry", "fewer records than there must be", "records missing (1)"),
  "duplicate-record": content(["cve"], "pass", "one record of the page replaced by a copy of another"),
  "total-jitter": content(["cve"], "pass", "totalResults off", "by how many (3)"),
  "stale-page": content(["cve"], "lasting", "the page as it was before the last change"),
  "bad-record": content(
    every,
    "lasting",
    "records broken, in XML by their ids; rate is per record",
    "kind (all in turn)",
  ),
  "bad-utf8": content(texts, "retry", "an invalid UTF-8 byte inside a text"),
  "bad-json": content(json, "retry", "a trailing comma and garbage"),
  "wrong-root": content(texts, "retry", "well-formed, but something else altogether"),
  "bad-xml": content(xml, "retry", "tags that do not match"),
  "truncated-xml": content(xml, "retry", "XML cut off, with a length that agrees"),
  "xml-bomb": content(xml, "lasting", "entities that expand to gigabytes"),
  "xml-external-entity": content(xml, "lasting", "an entity that names a local file"),
  "bad-zip": content(["cwe"], "retry", "zip broken", "garbage, crc, truncated or empty (in turn)"),
  "zip-bomb": content(["cwe"], "lasting", "zip that inflates without end", "MB inflated (2048)"),
  "index-missing-domain": content(["attack"], "lasting", "index without one domain", "domain (ics)"),
  "bundle-missing": content(["attack"], "lasting", "404 for the bundle the index names"),
  "feed-304": content(["feeds"], "retry", "304 to a request without a condition"),
  "feed-newer": content(["feeds"], "retry", "the .meta is of an older edition than the .json.gz"),
  "feed-sha": content(["feeds"], "retry", "the .meta names another sha256"),
  "feed-cut": content(["feeds"], "retry", "JSON cut off inside a whole gzip"),
  "feed-total": content(["feeds"], "retry", "totalResults is not the number of records", "too many (1)"),
  "kev-count": content(["kev"], "retry", "count is not the number of entries"),
  "epss-no-header": content(["epss"], "retry", "no `#model_version` line"),
  "epss-old-date": content(["epss"], "benign", "score_date ends in +0000, not in Z"),
  "epss-width": content(["epss"], "retry", "some rows have more or fewer columns"),
  "epss-cut": content(["epss"], "retry", "CSV cut off inside a row, in a whole gzip"),
  "epss-late": content(["epss"], "retry", "redirects to a day whose file is not there yet"),
  "older-edition": content(["kev", "epss"], "lasting", "the release before the present one"),
  oversize: deliver(every, "retry", "white space without end", "MB (160)"),
  truncated: deliver(every, "retry", "length right, body cut, connection destroyed"),
  "truncated-chunked": deliver(every, "retry", "chunked, connection destroyed midway"),
  "truncated-clean": deliver(every, "retry", "body cut, length agrees, clean end"),
  "truncated-close": deliver(every, "retry", "no length, body cut, connection closed cleanly"),
  stall: deliver(every, "retry", "headers, then no more bytes", "bytes before the stall (0)"),
  slow: deliver(every, "benign", "body drips", "ms in all (1000)"),
  "gzip-corrupt": deliver(every, "retry", "gzip whose bytes are damaged"),
  "wrong-content-type": deliver(every, "benign", "right body called application/octet-stream"),
  "http10-close": deliver(every, "benign", "no length, the connection's end ends the body"),
} as const satisfies Record<string, FaultEntry>;

export type FaultName = keyof typeof faultCatalog;

export const faultNames = Object.keys(faultCatalog) as FaultName[];

export const faultEntry = (name: FaultName): FaultEntry => faultCatalog[name];

const where = (test: (entry: FaultEntry, name: FaultName) => boolean): FaultName[] =>
  faultNames.filter((name) => test(faultCatalog[name], name));

/** After any of these, at a rate, the run of a correct client still ends complete. */
export const transientFaults = Object.fromEntries(
  standIns.map((name) => [name, where((entry) => entry.cost !== "lasting" && entry.on.includes(name))]),
) as Record<StandIn, FaultName[]>;

/** They hold a connection until the client's time-out. */
export const stallingFaults: FaultName[] = ["stall", "stall-headers"];

/** `all@0.10` draws from these: faults that a retry resolves, without stalls. */
export const allFaults = (upstream: StandIn): FaultName[] =>
  transientFaults[upstream].filter((name) => !stallingFaults.includes(name));

/** The fault table of docs/simulator.md; a test compares them. */
export function faultTable(): string {
  const rows = faultNames.map((name) => {
    const { on, cost, arg, does } = faultEntry(name);
    const where = on.length === standIns.length ? "all" : on.join(" ");
    return `| \`${name}\` | ${where} | ${cost} | ${does} | ${arg ?? ""} |`;
  });
  const head = "| fault | upstreams | cost | what happens | argument (default) |\n|---|---|---|---|---|";
  return `${head}\n${rows.join("\n")}`;
}
