/** Replicas of an NVD that lists its records with holes and doubles; which replica answers is a function of the test. */
import type { ServerResponse } from "node:http";
import type { ListingRecord } from "./listingServer.ts";

/** What one replica lists, place by place; null: a record that is counted and never served. */
export type Places = readonly (ListingRecord | null)[];

export interface OddAnswer {
  places: Places;
  /** Members of the envelope that are to be otherwise; undefined leaves one out. */
  envelope?: Record<string, unknown>;
}

/** Answers like NVD: a lastModified window, startIndex, resultsPerPage, the total of what is listed. */
export function answerFrom({ places, envelope }: OddAnswer, url: URL, response: ServerResponse): void {
  const startIndex = Number(url.searchParams.get("startIndex") ?? "0");
  const size = Number(url.searchParams.get("resultsPerPage") ?? "2000");
  const from = Date.parse(url.searchParams.get("lastModStartDate") ?? "");
  const to = Date.parse(url.searchParams.get("lastModEndDate") ?? "");
  const listed = Number.isNaN(from)
    ? places
    : places.filter((record) => {
        const at = Date.parse(`${record?.lastModified}Z`);
        return at >= from && at <= to;
      });
  const page = listed.slice(startIndex, startIndex + size).filter((record) => record !== null);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(
    JSON.stringify({
      resultsPerPage: page.length,
      startIndex,
      totalResults: listed.length,
      timestamp: new Date().toISOString().slice(0, -1),
      vulnerabilities: page.map((cve) => ({ cve })),
      ...envelope,
    }),
  );
}
