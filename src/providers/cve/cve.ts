/** NVD's CVEs: the year feeds, then the API 2.0: full listings and lastModified windows, in fixed slices of 2,000 records. */
import { UeeError } from "../../core/errors.ts";
import { parseTime } from "../../core/time.ts";
import { defineProvider, type ExtractContext, type Extracted, type PlannedBatch } from "../contract.ts";
import { dictionaries } from "./dictionaries.ts";
import { extractFeed, extractFeedSlice, planFeeds } from "./feeds.ts";
import { nearCveIds } from "./nearIds.ts";
import type { Page } from "./page.ts";
import {
  BATCH_RECORDS,
  type CvePayload,
  cvePayload,
  headBatch,
  type PagePayload,
  restOf,
} from "./payload.ts";
import { cveRecord, identify, label, links, transform } from "./record.ts";
import { fetchSized, SliceReader } from "./slice.ts";
import { verifyPass, walk } from "./verify.ts";
import { windows } from "./windows.ts";

/**
 * Further windows that can hold anything: none starts in the upstream's future. An upstream's clock that stands before
 * the head's window is wrong and says nothing.
 */
function laterWindows(payload: PagePayload, timestamp: string | undefined): PlannedBatch<CvePayload>[] {
  const until = parseTime(payload.laterUntil);
  const from = parseTime(payload.window?.end);
  if (until === undefined || from === undefined || from >= until) return [];
  const told = parseTime(timestamp);
  const clock = told === undefined || told < parseTime(payload.window?.start)! ? until : told;
  const dayMs = 86_400_000;
  const stem = payload.listing.replace(/w0$/, "w");
  return windows(from + 1, until)
    .filter((window) => parseTime(window.start)! <= clock + dayMs)
    .map((window, i) =>
      headBatch({
        listing: `${stem}${i + 1}`,
        window,
        mustHaveRecords: false,
        laterUntil: null,
        ...(payload.twice ? { twice: true } : {}),
      }),
    );
}

async function extractSlice(payload: PagePayload, context: ExtractContext): Promise<Extracted<CvePayload>> {
  const slice = new SliceReader(payload, context);
  const records = await slice.read();
  const { timestamp, fetchedAt } = slice;
  const isHead = payload.start === 0 && payload.total === null;
  return {
    records,
    fetchedAt: fetchedAt ?? 0,
    facts: { group: payload.listing, ...slice.facts(), ...(isHead && timestamp ? { timestamp } : {}) },
    more: isHead ? [...restOf(payload, slice.greatest ?? 0), ...laterWindows(payload, timestamp)] : [],
  };
}

/** The total, asked for twice: two replicas of the upstream may disagree, and either may answer first. */
async function extractProbe(payload: PagePayload, context: ExtractContext): Promise<Extracted<CvePayload>> {
  const ask = (): Promise<Page> => fetchSized({ window: null }, 0, 1, context);
  const first = await ask();
  const second = await ask();
  if (first.total === 0 || second.total === 0) throw new UeeError("PROV_EMPTY_LIE");
  const moved = { first: first.total, fell: second.total < first.total };
  return {
    records: [],
    fetchedAt: first.fetchedAt,
    facts: {
      group: payload.listing,
      total: second.total,
      ...(first.total === second.total ? {} : { moved }),
    },
  };
}

export const cve = defineProvider<CvePayload>({
  name: "cve",
  authority: "nvd",
  version: 1,
  kind: "windowed",
  title: "CVE",
  expected: { records: 500_000, bytesPerRecord: 1_500 },
  example: {
    id: "CVE-2021-44228",
    record: {
      id: "CVE-2021-44228",
      published: "2021-12-10T10:15:09.143",
      lastModified: "2025-10-27T17:35:16.080",
      descriptions: [{ lang: "en", value: "Apache Log4j2 …" }],
      references: [],
    },
  },
  upstream: {
    defaultUrl: "https://services.nvd.nist.gov/rest/json/cves/2.0",
    urlEnv: "UEE_CVE_URL",
    rate: { max: 5, windowMs: 30_000 },
    rateWithKey: { max: 50, windowMs: 30_000 },
    apiKeyEnv: "NVD_API_KEY",
    // NVD names no limit for its feeds: a whole set is 50 requests, which this allows several times over.
    feeds: {
      defaultUrl: "https://nvd.nist.gov/feeds/json/cve/2.0",
      urlEnv: "UEE_CVE_FEEDS_URL",
      rate: { max: 240, windowMs: 30_000 },
      probe: "nvdcve-2.0-2002.meta",
    },
    // NVD would send 2,000 records.
    probe: { resultsPerPage: "1" },
  },
  // NVD asks for no more than one look in two hours; it edits silently, which only a full walk finds.
  schedule: { incremental: "2h", full: "7d" },
  batch: cvePayload,
  record: cveRecord,
  dictionaries,
  pageSize: BATCH_RECORDS,
  plan: (input) => {
    const { mode, feeds, pass = 1, startedAt } = input;
    const byFeeds = mode === "reconcile" || (feeds && mode === "full" && pass === 1);
    return byFeeds ? planFeeds(startedAt) : walk(input, pass);
  },
  extract: (payload, context) => {
    if (payload.kind === "feed") return extractFeed(payload, context);
    if (payload.kind === "slice") return extractFeedSlice(payload, context);
    return payload.kind === "probe" ? extractProbe(payload, context) : extractSlice(payload, context);
  },
  transform,
  identify,
  links,
  label,
  verify: verifyPass,
  normalizeId: (text) => {
    const id = text.toUpperCase();
    return identify({ id });
  },
  nearIds: nearCveIds,
});
