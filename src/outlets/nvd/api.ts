/** NVD's CVE API 2.0 out of the mirror: `/rest/json/cves/2.0`. */
import { LRUCache } from "lru-cache";
import { WeightedGate } from "../../core/semaphore.ts";
import type { CveIndex } from "./cveIndex.ts";
import type { CveMirror } from "./mirror.ts";
import { type CveQuery, readQuery } from "./query.ts";

/** How long a client's list stays as it is between two pages, ms. */
const PAGING_MS = 15 * 60_000;
/** Lists of ordinals, 4 bytes each. */
const LISTS_BYTES = 64 * 1024 * 1024;
/** Pages that are assembled at once: each holds several megabytes. */
const PAGES_AT_ONCE = 4;
const TEXTS_AT_ONCE = 250;

interface List {
  /** The ordinals are of this index, which a reload replaces. */
  index: CveIndex;
  ordinals: Uint32Array;
  generation: number;
}

const sizeOf = ({ ordinals }: List): number => 64 + ordinals.byteLength;

export class CveApi {
  readonly #mirror: CveMirror;
  readonly #pages = new WeightedGate(PAGES_AT_ONCE);
  /** By query: the list as the mirror has it now. */
  readonly #current = new LRUCache<string, List>({ maxSize: LISTS_BYTES, sizeCalculation: sizeOf });
  /** By client and query: the list of which the client has read the first page. */
  readonly #paged = new LRUCache<string, List>({
    ...{ maxSize: LISTS_BYTES, sizeCalculation: sizeOf },
    ...{ ttl: PAGING_MS, updateAgeOnGet: true },
  });

  constructor(mirror: CveMirror) {
    this.#mirror = mirror;
  }

  /**
   * `client` tells one client's pages from another's: while it pages, it sees one list.
   * @throws Refusal
   */
  async page(
    params: URLSearchParams,
    { client, timestamp, signal }: { client: string; timestamp: string; signal: AbortSignal },
  ): Promise<Buffer> {
    const { startIndex, resultsPerPage, ...query } = readQuery(params);
    const { index, ordinals } = this.#listFor(query, client, startIndex);
    const ids = Array.from(ordinals.subarray(startIndex, startIndex + resultsPerPage), index.idOf);
    const envelope = { startIndex, total: ordinals.length, timestamp };
    if (ids.length <= 1) return pageOf(await this.#mirror.texts(ids), envelope);
    await this.#pages.enter(1, signal);
    try {
      const texts: (Buffer | undefined)[] = [];
      for (let first = 0; first < ids.length; first += TEXTS_AT_ONCE) {
        texts.push(...(await this.#mirror.texts(ids.slice(first, first + TEXTS_AT_ONCE))));
      }
      return pageOf(texts, envelope);
    } finally {
      this.#pages.leave(1);
    }
  }

  #listFor(query: Omit<CveQuery, "startIndex" | "resultsPerPage">, client: string, startIndex: number): List {
    const { index, generation } = this.#mirror;
    if (query.ids) return { index, generation, ordinals: index.select(query) };
    const own = `${client} ${query.text}`;
    const begun = startIndex > 0 ? this.#paged.get(own) : undefined;
    if (begun) return begun;
    let list = this.#current.get(query.text);
    if (list?.generation !== generation) {
      list = { index, generation, ordinals: index.select(query) };
      this.#current.set(query.text, list);
    }
    this.#paged.set(own, list);
    return list;
  }
}

interface Envelope {
  startIndex: number;
  total: number;
  timestamp: string;
}

const RECORD = Buffer.from('{"cve":');
const NEXT = Buffer.from('},{"cve":');
const END = Buffer.from("}]}");
const EMPTY = Buffer.from("]}");

function pageOf(found: readonly (Buffer | undefined)[], envelope: Envelope): Buffer {
  const texts = found.filter((text) => text !== undefined);
  const parts: Buffer[] = [Buffer.from(envelopeHead(texts.length, envelope))];
  texts.forEach((text, i) => {
    parts.push(i === 0 ? RECORD : NEXT, text);
  });
  parts.push(texts.length === 0 ? EMPTY : END);
  return Buffer.concat(parts);
}

/** The beginning of NVD's envelope, of pages and of feeds, up to the list's bracket. */
export const envelopeHead = (rows: number, { startIndex, total, timestamp }: Envelope): string =>
  `{"resultsPerPage":${rows},"startIndex":${startIndex},"totalResults":${total},"format":"NVD_CVE","version":"2.0",` +
  `"timestamp":"${timestamp}","vulnerabilities":[`;

/** As NVD writes times: UTC without a zone. */
export const nvdTime = (ms: number): string => new Date(ms).toISOString().slice(0, -1);
