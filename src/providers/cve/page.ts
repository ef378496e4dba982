/**
 * One page of NVD as it was answered. NVD answers 200 with a web page, half a document or another page than asked for:
 * those are errors. A page with fewer records than it must hold is returned as it is, with what was expected.
 */
import { z } from "zod";
import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";
import type { SourceText } from "../../core/sourceText.ts";
import { parseTime } from "../../core/time.ts";
import type { ExtractContext } from "../contract.ts";
import {
  type FoundRecord,
  JsonArraySplitter,
  likelyRecords,
  readJsonArrays,
  withoutByteOrderMark,
} from "../formats/jsonArrays.ts";
import type { Window } from "./windows.ts";

/** NVD has 0.4 million records. A total beyond this is a corrupt answer; batches are planned from it. */
const MAX_TOTAL = 10_000_000;

export interface PageRequest {
  window: Window | null;
  startIndex: number;
  resultsPerPage: number;
}

export interface Page {
  total: number;
  /** The upstream's clock; undefined where the answer has none that can be read. */
  timestamp: string | undefined;
  /** Each item's `cve`; an item without one stands for itself and becomes a bad record. */
  records: SourceText[];
  /** How many records the page must hold by its own total. */
  expected: number;
  fetchedAt: number;
  bytes: number;
}

/** Everything but the total may be null or absent. The echo of `resultsPerPage` is not read: NVD's is wrong at times. */
const envelope = z.object({
  startIndex: z.int().nonnegative().nullish(),
  totalResults: z.int().nonnegative().max(MAX_TOTAL),
  timestamp: z.unknown().optional(),
});

function pageUrl(base: string, request: PageRequest): string {
  const url = new URL(base);
  if (request.window) {
    url.searchParams.set("lastModStartDate", request.window.start);
    url.searchParams.set("lastModEndDate", request.window.end);
  }
  url.searchParams.set("resultsPerPage", String(request.resultsPerPage));
  url.searchParams.set("startIndex", String(request.startIndex));
  return url.href;
}

/** A larger record is read by the scanner, which measures it before it is parsed. No value is shorter than a byte. */
const GUESSED_BYTES = bounds.record.values;

/**
 * Cuts a page into its records. Those whose text is stored are found by its digest, and are not read again. In a full page
 * with as many likely records as it must have, the others are taken for what they seem: parsing proves them, and the last
 * attempt at a batch does without. Only a page of one record cannot be made smaller: what makes it large is passed over as
 * it comes.
 */
async function readPage(
  body: AsyncIterable<Buffer>,
  most: number,
  { lookUp, lastAttempt }: Pick<ExtractContext, "lookUp" | "lastAttempt">,
) {
  const splitter = new JsonArraySplitter({
    arrays: ["vulnerabilities"],
    members: ["startIndex", "totalResults", "timestamp"],
    id: "id",
    inner: "cve",
    maxElements: most,
  });
  const records: SourceText[] = [];
  if (most > 1) {
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const document = withoutByteOrderMark(Buffer.concat(chunks));
    const likely = likelyRecords(document, { inner: "cve", id: "id" });
    const stored = await lookUp(
      likely.map(({ id, start, end }) => ({ id, text: document.subarray(start, end) })),
    );
    const guesses = likely.length === most - 1 && !lastAttempt;
    const found: FoundRecord[] = [];
    likely.forEach(({ id, start, end }, i) => {
      const guessed = guesses && end - start <= GUESSED_BYTES;
      if (guessed || stored[i]!.same) found.push({ id, start, end, stored: stored[i]! });
    });
    for (const { source } of splitter.writeWhole(document, found)) records.push(source);
    splitter.end();
  } else {
    for await (const elements of readJsonArrays(body, splitter)) {
      for (const { source } of elements) records.push(source);
    }
  }
  return { splitter, records };
}

/** No time is written longer than this; facts of a batch are kept and must stay small. */
const TIME_CHARACTERS = 64;

const readableTime = (value: unknown): string | undefined =>
  typeof value === "string" && value.length <= TIME_CHARACTERS && parseTime(value) !== undefined
    ? value
    : undefined;

export async function fetchPage(
  context: Pick<ExtractContext, "fetcher" | "url" | "apiKey" | "lookUp" | "lastAttempt">,
  request: PageRequest,
): Promise<Page> {
  const { fetcher, apiKey } = context;
  const answer = await fetcher.stream({
    url: pageUrl(context.url, request),
    headers: { accept: "application/json", ...(apiKey ? { apiKey } : {}) },
    maxBytes: request.resultsPerPage > 1 ? bounds.pageBytes : bounds.documentBytes,
    tooLargeCode: request.resultsPerPage > 1 ? "PROV_PAGE_TOO_LARGE" : "PROV_BODY_TOO_LARGE",
    expect: "json",
  });
  const { splitter, records } = await readPage(answer.body, request.resultsPerPage, context);
  const parsed = envelope.safeParse({ ...splitter.members });
  const wrong = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join(".")} (${message})`);
  const empty = parsed.success && parsed.data.totalResults === 0;
  if (!splitter.arrays.has("vulnerabilities") && !empty) wrong.push("vulnerabilities");
  if (!parsed.success || wrong.length > 0) {
    const where = wrong.join(", ");
    throw new UeeError("PROV_WRONG_SHAPE", `This is no answer of the NVD CVE API 2.0: wrong at ${where}.`);
  }
  const { startIndex, totalResults: total, timestamp } = parsed.data;
  if (startIndex != null && startIndex !== request.startIndex) {
    throw new UeeError(
      "PROV_WRONG_SHAPE",
      `Asked for startIndex ${request.startIndex}, answered ${startIndex}.`,
    );
  }
  return {
    total,
    timestamp: readableTime(timestamp),
    records,
    expected: Math.max(0, Math.min(request.resultsPerPage, total - request.startIndex)),
    fetchedAt: answer.fetchedAt,
    bytes: records.reduce((sum, record) => sum + record.bytes.length, 0),
  };
}
