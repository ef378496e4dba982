/**
 * Reads one slice of a listing, page by page. What comes is kept whatever is missing: a page that holds fewer records
 * than its own total says is asked for once more and then narrowed down, until the places that are not served are known.
 */
import { UeeError } from "../../core/errors.ts";
import type { SourceText } from "../../core/sourceText.ts";
import type { BatchFacts, ExtractContext } from "../contract.ts";
import { fetchPage, type Page } from "./page.ts";
import { BATCH_RECORDS, type PagePayload } from "./payload.ts";
import { identify } from "./record.ts";

/** Errors that smaller pages may cure. */
const sizeErrors: ReadonlySet<string> = new Set([
  "PROV_PAGE_CAP",
  "PROV_PAGE_TOO_LARGE",
  "PROV_TIMEOUT",
  "PROV_STALLED",
]);
/** Those that say nothing about the upstream's health: a smaller page is asked for at once. */
const merelyTooLarge: ReadonlySet<string> = new Set(["PROV_PAGE_CAP", "PROV_PAGE_TOO_LARGE"]);

/** A slice that comes in several pages is handed over whenever this much of it is there. */
const HAND_OVER_BYTES = 8 * 1024 * 1024;
/** Requests that one slice may spend on finding out which places are not served. */
const NARROWING_REQUESTS = 30;
/** More missing records than this are a cut answer, which a later attempt may get whole. */
const FEW_MISSING = 20;

/** Asks for a page of at most `wanted` records, or of fewer where the upstream cannot serve so many. */
export async function fetchSized(
  payload: Pick<PagePayload, "window">,
  startIndex: number,
  wanted: number,
  context: ExtractContext,
): Promise<Page> {
  for (;;) {
    const resultsPerPage = Math.max(1, Math.min(wanted, context.pageSize.current));
    try {
      const page = await fetchPage(context, {
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

/** Places that are counted and not served: `count` of the `width` places from `start`. */
interface Gap {
  start: number;
  width: number;
  count: number;
}

export class SliceReader {
  timestamp: string | undefined;
  fetchedAt: number | undefined;
  /** As the newest answer says; before the first one, what was planned with. */
  total: number | null;
  /** The greatest that was planned with or answered: where replicas of the upstream disagree, nothing is left out. */
  greatest: number | null;
  #records: SourceText[] = [];
  #bytes = 0;
  #firstTotal: number | undefined;
  #fell = false;
  #differed = false;
  #requestsLeft = NARROWING_REQUESTS;
  #received = 0;
  /** Ids of the records that were not handed over; unset as long as no page was asked for again. */
  #ids: Set<string> | undefined;
  readonly #gaps: Gap[] = [];
  readonly #payload: PagePayload;
  readonly #context: ExtractContext;

  constructor(payload: PagePayload, context: ExtractContext) {
    this.#payload = payload;
    this.#context = context;
    this.total = payload.total;
    this.greatest = payload.total;
  }

  /** Reads the slice to its end. Returns the records that were not handed over. */
  async read(): Promise<SourceText[]> {
    try {
      await this.#readPages();
      this.#refuseCutAnswers();
    } catch (error) {
      // What came before is stored all the same.
      if (!this.#context.signal.aborted) await this.#handOver();
      throw error;
    }
    return this.#records;
  }

  facts(): Pick<BatchFacts, "total" | "moved" | "fetchedAt" | "missing"> {
    const moved = this.#differed ? { first: this.#firstTotal!, fell: this.#fell } : undefined;
    const count = this.#missing();
    return {
      total: this.total ?? 0,
      ...(this.fetchedAt === undefined ? {} : { fetchedAt: this.fetchedAt }),
      ...(moved ? { moved } : {}),
      ...(count > 0 ? { missing: { count, at: describeGaps(this.#gaps) } } : {}),
    };
  }

  async #readPages(): Promise<void> {
    const { start, twice } = this.#payload;
    const end = start + BATCH_RECORDS;
    for (let next = start; next < Math.min(end, this.greatest ?? end); ) {
      const wanted = Math.min(end, this.greatest ?? end) - next;
      const page = await this.#ask(next, wanted);
      this.#take(page.records);
      const second = twice ? await this.#ask(next, wanted) : undefined;
      if (second) this.#takeNew(second.records);
      if (page.records.length < page.expected) await this.#complete(next, page);
      const expected = Math.max(page.expected, second?.expected ?? 0);
      if (expected === 0) break;
      next += expected;
      if (this.#bytes >= HAND_OVER_BYTES && next < Math.min(end, this.greatest!)) await this.#handOver();
    }
  }

  async #ask(startIndex: number, wanted: number): Promise<Page> {
    const before = this.total;
    const page = await fetchSized(this.#payload, startIndex, wanted, this.#context);
    if (page.total === 0) await this.#confirmEmpty(before);
    if (this.#firstTotal === undefined) this.#firstTotal = page.total;
    else if (page.total !== before) {
      this.#differed = true;
      this.#fell ||= page.total < before!;
    }
    this.total = page.total;
    this.greatest = Math.max(this.greatest ?? 0, page.total);
    this.timestamp ??= page.timestamp;
    // The earliest fetch speaks for the slice: none of its records is newer than its own page.
    this.fetchedAt = Math.min(this.fetchedAt ?? page.fetchedAt, page.fetchedAt);
    this.#bytes += page.bytes;
    return page;
  }

  /** NVD answers "nothing" for windows that hold records; what cannot be told from the answer is asked twice. */
  async #confirmEmpty(before: number | null): Promise<void> {
    if (this.#payload.mustHaveRecords || (before ?? 0) > 0) {
      throw new UeeError("PROV_EMPTY_LIE", "The upstream says that there is nothing where records must be.");
    }
    const second = await fetchSized(this.#payload, 0, BATCH_RECORDS, this.#context);
    if (second.total > 0) {
      throw new UeeError("PROV_EMPTY_LIE", `The window was empty, then held ${second.total} records.`);
    }
  }

  #take(records: readonly SourceText[]): void {
    for (const record of records) {
      this.#records.push(record);
      if (this.#ids) this.#note(record);
    }
    this.#received += records.length;
  }

  /** Takes what has not come yet from a page of places that were asked for before. Ids are read only from here on. */
  #takeNew(records: readonly SourceText[]): void {
    if (!this.#ids) {
      this.#ids = new Set();
      for (const record of this.#records) this.#note(record);
    }
    const ids = this.#ids;
    this.#take(
      records.filter((record) => {
        const id = identify(record.known);
        return id !== undefined && !ids.has(id);
      }),
    );
  }

  #note(record: SourceText): void {
    const id = identify(record.known);
    if (id !== undefined) this.#ids?.add(id);
  }

  /** The page at `start` was short: gets what is missing, or finds out where it is missing. */
  async #complete(start: number, page: Page): Promise<void> {
    const again = await this.#askAll(start, page.expected);
    if (again > 0) await this.#narrow(start, page.expected, again, true);
    // An upstream that silently serves less than a page: the next slices ask for less at once.
    if (this.#gaps.length === 0) this.#context.pageSize.shrink("PROV_SHORT_PAGE");
  }

  /** Asks for all of these places; returns how many were not served. */
  async #askAll(start: number, width: number): Promise<number> {
    let short = 0;
    for (let next = start; next < start + width; ) {
      this.#requestsLeft--;
      const page = await this.#ask(next, start + width - next);
      this.#takeNew(page.records);
      if (page.expected === 0) return short + (start + width - next);
      short += Math.max(0, page.expected - page.records.length);
      next += page.expected;
    }
    return short;
  }

  /** `short` of these places are not served. `asked`: that was an answer, not the difference of two answers. */
  async #narrow(start: number, width: number, short: number, asked: boolean): Promise<void> {
    if (this.#requestsLeft <= 0 || (asked && short >= width)) {
      this.#gaps.push({ start, width, count: short });
      return;
    }
    if (short >= width) {
      const still = await this.#askAll(start, width);
      if (still > 0) await this.#narrow(start, width, still, true);
      return;
    }
    const half = Math.ceil(width / 2);
    const left = await this.#askAll(start, half);
    if (left > 0) await this.#narrow(start, half, left, true);
    if (short > left)
      await this.#narrow(start + half, width - half, Math.min(short - left, width - half), false);
  }

  #missing(): number {
    return this.#gaps.reduce((sum, { count }) => sum + count, 0);
  }

  /** A few places that are not served are the upstream's; many, or all of them, are an answer that was cut. */
  #refuseCutAnswers(): void {
    const missing = this.#missing();
    if (missing === 0) return;
    const at = describeGaps(this.#gaps);
    if (this.#received === 0) {
      const nothing = `None of the ${missing} records at ${at} was served.`;
      // A listing that has more than this slice loses only these places.
      const elsewhere = this.#payload.start > 0 && missing <= FEW_MISSING;
      if (!elsewhere) throw new UeeError("PROV_EMPTY_LIE", nothing);
    } else if (missing > FEW_MISSING && !this.#context.lastAttempt) {
      throw new UeeError("PROV_SHORT_PAGE", `${missing} records at ${at} are counted and were not served.`);
    }
  }

  async #handOver(): Promise<void> {
    const records = this.#records;
    if (records.length === 0) return;
    this.#records = [];
    this.#bytes = 0;
    await this.#context.handOver(records, this.fetchedAt!);
  }
}

/** `offset 17, offsets 20–29 and 3 of offsets 400–499`, cut where it gets long. */
function describeGaps(gaps: readonly Gap[]): string {
  const parts = gaps.map(({ start, width, count }) => {
    const places = width === 1 ? `offset ${start}` : `offsets ${start}–${start + width - 1}`;
    return count < width ? `${count} of ${places}` : places;
  });
  const shown: string[] = [];
  for (const part of parts) {
    if ([...shown, part].join(", ").length > 160) return `${shown.join(", ")} and more`;
    shown.push(part);
  }
  return shown.join(", ");
}
