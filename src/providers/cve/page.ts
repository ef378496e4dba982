/**
 * One NVD page as asked for, or an error that says which lie was told. NVD answers 200 with nothing, with less than it
 * must, with a web page or half a document; none of that may pass for data.
 */
import { z } from "zod";
import { UeeError } from "../../core/errors.ts";
import type { Fetcher } from "../../core/fetching.ts";
import { parseJsonBytes } from "../../core/json.ts";
import type { Window } from "./windows.ts";

/** Bodies beyond this are asked for in smaller pages; 2,000 average records are about 8 MB. */
const PAGE_BYTES = 16 * 1024 * 1024;
/** A page of few records cannot be made much smaller: one record may be that large. */
const SMALL_PAGE_BYTES = 64 * 1024 * 1024;
const SMALL_PAGE = 20;

export interface PageRequest {
  window: Window | null;
  startIndex: number;
  resultsPerPage: number;
}

export interface Page {
  total: number;
  timestamp: string | undefined;
  /** Each item's `cve`; an item without one stands for itself and is judged as a bad record. */
  records: unknown[];
  fetchedAt: number;
  bytes: number;
}

const envelope = z.looseObject({
  startIndex: z.int().nonnegative(),
  totalResults: z.int().nonnegative(),
  timestamp: z.string().optional(),
  // The list alone: zod would copy it item by item, and the records are judged one by one later.
  vulnerabilities: z.custom<unknown[]>(Array.isArray),
});

export function pageUrl(base: string, request: PageRequest): string {
  const url = new URL(base);
  if (request.window) {
    url.searchParams.set("lastModStartDate", request.window.start);
    url.searchParams.set("lastModEndDate", request.window.end);
  }
  url.searchParams.set("resultsPerPage", String(request.resultsPerPage));
  url.searchParams.set("startIndex", String(request.startIndex));
  return url.href;
}

const inner = (item: unknown): unknown =>
  typeof item === "object" && item !== null && "cve" in item ? item.cve : item;

export async function fetchPage(
  fetcher: Fetcher,
  base: string,
  apiKey: string | undefined,
  request: PageRequest,
): Promise<Page> {
  const answer = await fetcher.fetch({
    url: pageUrl(base, request),
    headers: { accept: "application/json", ...(apiKey ? { apiKey } : {}) },
    maxBytes: request.resultsPerPage > SMALL_PAGE ? PAGE_BYTES : SMALL_PAGE_BYTES,
    tooLargeCode: request.resultsPerPage > 1 ? "PROV_PAGE_TOO_LARGE" : "PROV_BODY_TOO_LARGE",
    expect: "json",
  });
  const parsed = envelope.safeParse(parseJsonBytes(answer.body));
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join(".") || "the root").join(", ");
    throw new UeeError("PROV_WRONG_SHAPE", `This is no answer of the NVD CVE API 2.0: wrong at ${where}.`);
  }
  const { startIndex, totalResults: total, timestamp, vulnerabilities } = parsed.data;
  if (startIndex !== request.startIndex) {
    throw new UeeError(
      "PROV_WRONG_SHAPE",
      `Asked for startIndex ${request.startIndex}, answered ${startIndex}.`,
    );
  }
  const expected = Math.max(0, Math.min(request.resultsPerPage, total - startIndex));
  if (vulnerabilities.length < expected) {
    // An empty page of a listing that has records is NVD's best-known lie; both are asked again.
    const code = vulnerabilities.length === 0 ? "PROV_EMPTY_LIE" : "PROV_SHORT_PAGE";
    throw new UeeError(code, `${vulnerabilities.length} records at ${startIndex} where ${expected} must be.`);
  }
  if (vulnerabilities.length > expected) {
    throw new UeeError(
      "PROV_WRONG_SHAPE",
      `${vulnerabilities.length} records at ${startIndex} where ${expected} were asked for.`,
    );
  }
  return {
    total,
    timestamp,
    records: vulnerabilities.map(inner),
    fetchedAt: answer.fetchedAt,
    bytes: answer.body.length,
  };
}
