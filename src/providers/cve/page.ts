/**
 * One NVD page as asked for, or an error that says which lie was told. NVD answers 200 with nothing, with less than it
 * must, with a web page or half a document; none of that may pass for data.
 */
import { z } from "zod";
import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";
import type { Fetcher } from "../../core/fetching.ts";
import type { SourceText } from "../../core/sourceText.ts";
import { JsonArraySplitter, readJsonArrays } from "../formats/jsonArrays.ts";
import type { Window } from "./windows.ts";

export interface PageRequest {
  window: Window | null;
  startIndex: number;
  resultsPerPage: number;
}

export interface Page {
  total: number;
  timestamp: string | undefined;
  /** Each item's `cve`; an item without one stands for itself and is judged as a bad record. */
  records: SourceText[];
  fetchedAt: number;
  bytes: number;
}

const envelope = z.object({
  startIndex: z.int().nonnegative(),
  totalResults: z.int().nonnegative(),
  timestamp: z.string().optional(),
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

/** Only a page of one record cannot be made smaller: what makes it large is passed over as it comes. */
async function readPage(body: AsyncIterable<Buffer>, most: number) {
  const splitter = new JsonArraySplitter({
    arrays: ["vulnerabilities"],
    members: ["startIndex", "totalResults", "timestamp"],
    id: "id",
    inner: "cve",
    maxElements: most,
  });
  const records: SourceText[] = [];
  for await (const elements of readJsonArrays(body, splitter)) {
    for (const { source } of elements) records.push(source);
  }
  return { splitter, records };
}

export async function fetchPage(
  fetcher: Fetcher,
  base: string,
  apiKey: string | undefined,
  request: PageRequest,
): Promise<Page> {
  const answer = await fetcher.stream({
    url: pageUrl(base, request),
    headers: { accept: "application/json", ...(apiKey ? { apiKey } : {}) },
    maxBytes: request.resultsPerPage > 1 ? bounds.pageBytes : bounds.documentBytes,
    tooLargeCode: request.resultsPerPage > 1 ? "PROV_PAGE_TOO_LARGE" : "PROV_BODY_TOO_LARGE",
    expect: "json",
  });
  const { splitter, records } = await readPage(answer.body, request.resultsPerPage);
  const parsed = envelope.safeParse({ ...splitter.members });
  const wrong = parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join("."));
  if (!splitter.arrays.has("vulnerabilities")) wrong.push("vulnerabilities");
  if (!parsed.success || wrong.length > 0) {
    const where = wrong.join(", ");
    throw new UeeError("PROV_WRONG_SHAPE", `This is no answer of the NVD CVE API 2.0: wrong at ${where}.`);
  }
  const { startIndex, totalResults: total, timestamp } = parsed.data;
  if (startIndex !== request.startIndex) {
    throw new UeeError(
      "PROV_WRONG_SHAPE",
      `Asked for startIndex ${request.startIndex}, answered ${startIndex}.`,
    );
  }
  const expected = Math.max(0, Math.min(request.resultsPerPage, total - startIndex));
  if (records.length < expected) {
    // An empty page of a listing that has records is NVD's best-known lie; both are asked again.
    const code = records.length === 0 ? "PROV_EMPTY_LIE" : "PROV_SHORT_PAGE";
    throw new UeeError(code, `${records.length} records at ${startIndex} where ${expected} must be.`);
  }
  if (records.length > expected) {
    throw new UeeError(
      "PROV_WRONG_SHAPE",
      `${records.length} records at ${startIndex} where ${expected} were asked for.`,
    );
  }
  return {
    total,
    timestamp,
    records,
    fetchedAt: answer.fetchedAt,
    bytes: records.reduce((sum, record) => sum + record.bytes.length, 0),
  };
}
