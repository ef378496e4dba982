/** NVD's CVE API 2.0: full listings and lastModified windows, in fixed slices of 2,000 records. */
import { UeeError } from "../../core/errors.ts";
import { parseTime } from "../../core/time.ts";
import { defineProvider, type ExtractContext, type Extracted, type PlannedBatch } from "../contract.ts";
import { fetchPage, type Page } from "./page.ts";
import { BATCH_RECORDS, type CvePayload, cvePayload, headBatch, restOf } from "./payload.ts";
import { cveRecord, identify, transform } from "./record.ts";
import { verifyPass, walk } from "./verify.ts";
import { windows } from "./windows.ts";

/** Answers that smaller pages may mend. */
const sizeErrors: ReadonlySet<string> = new Set([
  "PROV_PAGE_CAP",
  "PROV_PAGE_TOO_LARGE",
  "PROV_TIMEOUT",
  "PROV_STALLED",
  "PROV_SHORT_PAGE",
]);
/** Of these, the ones that say nothing of the upstream's health: a smaller page is asked for at once. */
const merelyTooLarge: ReadonlySet<string> = new Set(["PROV_PAGE_CAP", "PROV_PAGE_TOO_LARGE"]);

async function fetchSized(
  payload: CvePayload,
  startIndex: number,
  wanted: number,
  context: ExtractContext,
): Promise<Page> {
  for (;;) {
    const resultsPerPage = Math.max(1, Math.min(wanted, context.pageSize.current));
    try {
      const page = await fetchPage(context.fetcher, context.url, context.apiKey, {
        window: payload.window,
        startIndex,
        resultsPerPage,
      });
      context.pageSize.succeeded();
      return page;
    } catch (error) {
      if (!(error instanceof UeeError)) throw error;
      if (sizeErrors.has(error.code) || error.data.status === 524) {
        const cap = typeof error.data.cap === "number" ? error.data.cap : undefined;
        context.pageSize.shrink(error.code, cap ?? Math.ceil(resultsPerPage / 2));
      }
      const askForLess = merelyTooLarge.has(error.code) && resultsPerPage > 1;
      if (!askForLess || context.pageSize.current >= resultsPerPage) throw error;
    }
  }
}

/** NVD answers "nothing" for windows that hold records; what cannot be told from the answer is asked twice. */
async function confirmEmpty(payload: CvePayload, context: ExtractContext): Promise<void> {
  const second = await fetchSized(payload, 0, BATCH_RECORDS, context);
  if (second.total > 0) {
    throw new UeeError("PROV_EMPTY_LIE", `The window was empty, then held ${second.total} records.`);
  }
}

/** Further windows that can hold anything: none starts in the upstream's future. */
function laterWindows(payload: CvePayload, timestamp: string | undefined): PlannedBatch<CvePayload>[] {
  const until = parseTime(payload.laterUntil);
  const from = payload.window ? parseTime(payload.window.end) : undefined;
  if (until === undefined || from === undefined || from >= until) return [];
  const clock = parseTime(timestamp) ?? until;
  const dayMs = 86_400_000;
  const stem = payload.listing.replace(/w0$/, "w");
  return windows(from + 1, until)
    .filter((window) => parseTime(window.start)! <= clock + dayMs)
    .map((window, i) =>
      headBatch({ listing: `${stem}${i + 1}`, window, mustHaveRecords: false, laterUntil: null }),
    );
}

/** A slice that came in several pages is given away whenever this much of it is there. */
const HAND_OVER_BYTES = 8 * 1024 * 1024;

async function extractSlice(payload: CvePayload, context: ExtractContext): Promise<Extracted<CvePayload>> {
  let records: unknown[] = [];
  let bytes = 0;
  let total = payload.total;
  let moved = false;
  let timestamp: string | undefined;
  let fetchedAt: number | undefined;
  let next = payload.start;
  const end = payload.start + BATCH_RECORDS;
  for (;;) {
    const wanted = total === null ? BATCH_RECORDS : Math.min(end, total) - next;
    if (wanted <= 0) break;
    const page = await fetchSized(payload, next, Math.min(wanted, end - next), context);
    if (page.total === 0 && (payload.mustHaveRecords || (total ?? 0) > 0)) {
      throw new UeeError("PROV_EMPTY_LIE", "The upstream says that there is nothing where records must be.");
    }
    if (page.total === 0) await confirmEmpty(payload, context);
    if (total !== null && page.total !== total) moved = true;
    total = page.total;
    timestamp ??= page.timestamp;
    // The earliest fetch speaks for the slice: none of its records is newer than its own page.
    fetchedAt = Math.min(fetchedAt ?? page.fetchedAt, page.fetchedAt);
    for (const record of page.records) records.push(record);
    bytes += page.bytes;
    next += page.records.length;
    if (page.records.length === 0) break;
    if (bytes >= HAND_OVER_BYTES && next < Math.min(end, total)) {
      await context.handOver(records, fetchedAt);
      records = [];
      bytes = 0;
    }
  }
  const isHead = payload.start === 0 && payload.total === null;
  return {
    records,
    fetchedAt: fetchedAt ?? 0,
    facts: {
      group: payload.listing,
      total: total ?? 0,
      ...(moved ? { moved } : {}),
      ...(isHead && timestamp ? { timestamp } : {}),
    },
    more: isHead ? [...restOf(payload, total ?? 0), ...laterWindows(payload, timestamp)] : [],
  };
}

async function extractProbe(payload: CvePayload, context: ExtractContext): Promise<Extracted<CvePayload>> {
  const page = await fetchPage(context.fetcher, context.url, context.apiKey, {
    window: null,
    startIndex: 0,
    resultsPerPage: 1,
  });
  if (page.total === 0) throw new UeeError("PROV_EMPTY_LIE");
  return {
    records: [],
    fetchedAt: page.fetchedAt,
    facts: { group: payload.listing, total: page.total },
  };
}

export const cve = defineProvider<CvePayload>({
  name: "cve",
  authority: "nvd",
  version: 1,
  kind: "windowed",
  upstream: {
    defaultUrl: "https://services.nvd.nist.gov/rest/json/cves/2.0",
    urlEnv: "UEE_CVE_URL",
    rate: { max: 5, windowMs: 30_000 },
    rateWithKey: { max: 50, windowMs: 30_000 },
    apiKeyEnv: "NVD_API_KEY",
  },
  // NVD asks for no more than one look in two hours; it edits silently, which only a full walk finds.
  schedule: { incremental: "2h", full: "7d" },
  batch: cvePayload,
  record: cveRecord,
  pageSize: BATCH_RECORDS,
  plan: (input) => walk(input, input.pass ?? 1),
  extract: (payload, context) =>
    payload.kind === "probe" ? extractProbe(payload, context) : extractSlice(payload, context),
  transform,
  identify,
  verify: verifyPass,
  normalizeId: (text) => {
    const id = text.toUpperCase();
    return identify({ id });
  },
});
