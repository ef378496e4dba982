/** NVD's CVE API 2.0: `/rest/json/cves/2.0`, with or without a trailing slash. */
import { LRUCache } from "lru-cache";
import { nvdTime } from "../../core/time.ts";
import { corruptJson } from "../faults/content.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import { type Reply, reply } from "../http/reply.ts";
import { mix } from "../random.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry, Point } from "../types.ts";
import type { SimRequest, SimulatedUpstream } from "../upstream.ts";
import type { CveCatalog } from "./catalog.ts";
import { type PageBody, renderPage } from "./page.ts";
import { type NvdQuery, type NvdRefusal, pageCapMessage, readQuery } from "./query.ts";
import { oddTime } from "./state.ts";

export const CVE_PATH = "/rest/json/cves/2.0";
const CACHE_BYTES = 48 * 1_048_576;
const json = { "content-type": "application/json" };

interface CveOptions {
  injector: Injector;
  /** Accepted keys; absent: any. */
  apiKeys: readonly string[] | undefined;
  clock: () => number;
  oddTimes: boolean;
}

export class CveUpstream implements SimulatedUpstream {
  readonly #catalog: CveCatalog;
  readonly #options: CveOptions;
  #answers = 0;
  readonly #pages = new LRUCache<string, PageBody>({
    maxSize: CACHE_BYTES,
    // A page above a third of the bound would displace all others.
    maxEntrySize: CACHE_BYTES / 3,
    sizeCalculation: ({ bytes }) => Math.max(1, bytes),
  });

  constructor(catalog: CveCatalog, options: CveOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  reply({ path, params, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CVE_PATH && path !== `${CVE_PATH}/`) return undefined;
    const key = headers.apikey;
    if (key !== undefined && this.#options.apiKeys?.includes(String(key)) === false)
      return refused({ message: "Invalid apiKey" });
    const query = readQuery(params);
    if ("refusal" in query) return refused(query.refusal);
    const cap = this.#pageCap(query, drawn);
    if (cap) return cap;
    if (drawn.take("empty-200") !== undefined) return this.#envelope(query, 0, this.#options.clock(), 0, []);
    return corruptJson(this.#page(query, drawn), drawn);
  }

  #pageCap(query: NvdQuery, drawn: Drawn): Reply | undefined {
    if (!drawn.has("page-cap")) return undefined;
    // Checked without counting first: a page within the cap is not affected.
    const max = Number(drawn.peek("page-cap", "500"));
    if (query.resultsPerPage <= max) return undefined;
    drawn.take("page-cap");
    return refused({ message: pageCapMessage(max) });
  }

  #page(query: NvdQuery, drawn: Drawn): Reply {
    const stale = drawn.take("stale-page") !== undefined;
    const state = stale ? this.#catalog.earlier : this.#catalog.state;
    const all = this.#catalog.select(query.filter, state);
    const start = Math.min(query.startIndex, all.length);
    let slots = all.subarray(start, start + query.resultsPerPage);
    let total = all.length;
    let altered = stale;
    if (slots.length > 0 && drawn.has("short-page")) {
      const missing = Math.max(1, Number(drawn.take("short-page", "1")) || 1);
      slots = slots.subarray(0, Math.max(0, slots.length - missing));
      altered = true;
    }
    if (slots.length > 1 && drawn.take("duplicate-record") !== undefined) {
      slots = slots.slice();
      slots[Math.floor(slots.length / 2)] = slots[0]!;
      altered = true;
    }
    if (total > 0 && drawn.has("total-jitter")) {
      const by = Number(drawn.take("total-jitter", "3")) || 3;
      total = Math.max(1, total + (mix(start, total) % 2 === 0 ? by : -by));
    }
    const isBad = this.#options.injector.badRecords("cve");
    const key = altered
      ? undefined
      : `${this.#catalog.revision}/${this.#options.injector.generation}/${JSON.stringify(query)}`;
    const known = key === undefined ? undefined : this.#pages.get(key);
    const page = known ?? renderPage(this.#catalog, state, slots, isBad);
    if (key !== undefined && !known) this.#pages.set(key, page);
    this.#options.injector.count("bad-record", page.bad);
    return this.#envelope(
      query,
      total,
      stale ? state.asOf : this.#options.clock(),
      slots.length,
      page.chunks,
    );
  }

  #envelope(query: NvdQuery, total: number, now: number, returned: number, chunks: Buffer[]): Reply {
    // resultsPerPage is the number of returned records, not the requested one: it is no stride.
    const time = this.#options.oddTimes ? oddTime(now, mix(this.#answers++, 0x71)) : nvdTime(now);
    const head =
      `{"resultsPerPage":${returned},"startIndex":${query.startIndex},"totalResults":${total},"format":"NVD_CVE",` +
      `"version":"2.0","timestamp":"${time}","vulnerabilities":[`;
    return reply(200, json, head, ...chunks, "]}");
  }

  setPoint(point: Point): ChangeReport {
    this.#pages.clear();
    return this.#catalog.setPoint(point);
  }

  mutate(change: Change): ChangeReport {
    this.#pages.clear();
    return this.#catalog.mutate(change);
  }

  content(): Iterable<ContentEntry> {
    return this.#catalog.content();
  }

  contentLines(): Iterable<string> {
    return this.#catalog.lines();
  }

  badRecords(): BadRecord[] {
    return this.#catalog.badRecords(this.#options.injector.badRecords("cve"));
  }
}

function refused({ message }: NvdRefusal): Reply {
  return reply(404, { ...(message === undefined ? {} : { message }), "content-length": "0" });
}
