/** NVD's CVE API 2.0 out of the mirror: `/rest/json/cves/2.0`. */
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { LRUCache } from "lru-cache";
import { WeightedGate } from "../../core/semaphore.ts";
import type { CveIndex } from "./cveIndex.ts";
import type { CveMirror } from "./mirror.ts";
import { type CveQuery, readQuery } from "./query.ts";

/** How long a client's list stays as it is between two pages, ms. */
const PAGING_MS = 15 * 60_000;
/** Lists of ordinals, 4 bytes each. */
const LISTS_BYTES = 64 * 1024 * 1024;
/** Pages that are assembled at once: uncompressed, each holds several megabytes. */
const PAGES_AT_ONCE = 4;
const TEXTS_AT_ONCE = 250;

interface List {
  /** The ordinals are of this index, which a reload replaces. */
  index: CveIndex;
  ordinals: Uint32Array;
  generation: number;
}

export interface PageRequest {
  client: string;
  /** As NVD writes times. */
  timestamp: string;
  gzip: boolean;
  signal: AbortSignal;
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
   * `client` tells one client's pages from another's: while it pages, it sees one list. `gzip`: the client takes it.
   * @throws Refusal
   */
  async page(
    params: URLSearchParams,
    { client, timestamp, gzip, signal }: PageRequest,
  ): Promise<{ body: Buffer; gzipped: boolean }> {
    const { startIndex, resultsPerPage, ...query } = readQuery(params);
    const { index, ordinals } = this.#listFor(query, client, startIndex);
    const ids = Array.from(ordinals.subarray(startIndex, startIndex + resultsPerPage), index.idOf);
    const envelope = { startIndex, total: ordinals.length, timestamp };
    if (ids.length <= 1) {
      const texts = (await this.#mirror.texts(ids)).filter((text) => text !== undefined);
      const body = Buffer.concat([Buffer.from(envelopeHead(texts.length, envelope)), rowsOf(texts, 0), END]);
      return { body, gzipped: false };
    }
    await this.#pages.enter(1, signal);
    try {
      return { body: await this.#assemble(ids, envelope, gzip), gzipped: gzip };
    } finally {
      this.#pages.leave(1);
    }
  }

  /** Slice by slice: one is compressed in another thread while the next is read. */
  async #assemble(ids: readonly string[], envelope: Envelope, compress: boolean): Promise<Buffer> {
    const parts: Buffer[] = [];
    const gzip = compress ? createGzip({ level: 1 }) : undefined;
    gzip?.on("data", (part: Buffer) => parts.push(part));
    const write = async (part: Buffer): Promise<void> => {
      if (!gzip) parts.push(part);
      else if (!gzip.write(part)) await once(gzip, "drain");
    };
    let written = write(Buffer.from(envelopeHead(ids.length, envelope)));
    const live: string[] = [];
    for (let first = 0; first < ids.length; first += TEXTS_AT_ONCE) {
      const some = ids.slice(first, first + TEXTS_AT_ONCE);
      const texts = await this.#mirror.texts(some);
      const rows = rowsOf(
        texts.filter((text) => text !== undefined),
        live.length,
      );
      live.push(...some.filter((_, i) => texts[i] !== undefined));
      await written;
      written = write(rows);
    }
    await written;
    await write(END);
    if (gzip) await finished(gzip.end());
    // A record went meanwhile: the envelope has counted it.
    if (live.length < ids.length) return await this.#assemble(live, envelope, compress);
    return Buffer.concat(parts);
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
const NEXT = Buffer.from(',{"cve":');
const CLOSE = Buffer.from("}");
const END = Buffer.from("]}");

/** Rows of NVD's list, of pages and of feeds. `before`: rows that are there already. */
export const rowsOf = (texts: readonly Buffer[], before: number): Buffer =>
  Buffer.concat(texts.flatMap((text, i) => [before + i === 0 ? RECORD : NEXT, text, CLOSE]));

/** The beginning of NVD's envelope, of pages and of feeds, up to the list's bracket. */
export const envelopeHead = (rows: number, { startIndex, total, timestamp }: Envelope): string =>
  `{"resultsPerPage":${rows},"startIndex":${startIndex},"totalResults":${total},"format":"NVD_CVE","version":"2.0",` +
  `"timestamp":"${timestamp}","vulnerabilities":[`;
