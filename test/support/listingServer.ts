/** A small NVD of a test's own: what it holds and how it answers is a variable of the test. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { startHttp } from "./httpServer.ts";

export interface ListingRecord {
  id: string;
  lastModified: string;
  [field: string]: unknown;
}

export interface ListingServer {
  url: string;
  records: ListingRecord[];
  /** Every request's URL, in order of arrival. */
  requests: URL[];
  /** May answer instead of the listing: true when it did. */
  intercept: (url: URL, response: ServerResponse, request: IncomingMessage) => boolean | Promise<boolean>;
  close(): Promise<void>;
}

export async function startListing(records: ListingRecord[]): Promise<ListingServer> {
  const { origin, close } = await startHttp(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    listing.requests.push(url);
    if (await listing.intercept(url, response, request)) return;
    answer(listing.records, url, response);
  });
  const listing: ListingServer = {
    url: `${origin}/rest/json/cves/2.0`,
    records,
    requests: [],
    intercept: () => false,
    close,
  };
  return listing;
}

export function answer(records: ListingRecord[], url: URL, response: ServerResponse): void {
  const startIndex = Number(url.searchParams.get("startIndex") ?? "0");
  const size = Number(url.searchParams.get("resultsPerPage") ?? "2000");
  const from = url.searchParams.get("lastModStartDate");
  const to = url.searchParams.get("lastModEndDate");
  const inWindow = records.filter(({ lastModified }) => {
    const at = Date.parse(`${lastModified}Z`);
    return from === null || to === null || (at >= Date.parse(from) && at <= Date.parse(to));
  });
  const page = inWindow.slice(startIndex, startIndex + size);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(
    JSON.stringify({
      resultsPerPage: page.length,
      startIndex,
      totalResults: inWindow.length,
      format: "NVD_CVE",
      version: "2.0",
      timestamp: new Date().toISOString().slice(0, -1),
      vulnerabilities: page.map((cve) => ({ cve })),
    }),
  );
}

/** `count` small records, the newest modified a minute ago. */
export const makeRecords = (count: number, from = 0): ListingRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `CVE-2025-${10_000 + from + i}`,
    lastModified: new Date(Date.now() - 60_000 - (count - i) * 1000).toISOString().slice(0, -1),
    descriptions: [{ lang: "en", value: `record ${from + i}` }],
    references: [],
  }));
