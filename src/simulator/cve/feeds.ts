/**
 * NVD's year feeds, `/feeds/json/cve/2.0/nvdcve-2.0-{2002…,modified,recent}.{json.gz,meta}`, and the
 * `cache.properties` that mirrors of them add. They contain the CVEs as last published. A feed is built at its first
 * request and kept compressed; its records are written in slices, so 425,000 CVEs are never in memory as text.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { constants, createGzip } from "node:zlib";
import { nvdTime } from "../../core/time.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import { type Reply, reply } from "../http/reply.ts";
import { type StaticFile, serveFile, staticFile } from "../snapshot/files.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry } from "../types.ts";
import type { SimRequest, SimulatedUpstream } from "../upstream.ts";
import type { CveCatalog } from "./catalog.ts";
import { renderPage } from "./page.ts";
import type { CveState } from "./state.ts";

export const FEEDS_PATH = "/feeds/json/cve/2.0";
const FIRST_YEAR = 2002;
const DAYS = 86_400_000;
/** Contents of `modified` and `recent`. */
const RECENT = 8 * DAYS;
const AT_ONCE = 500;

interface Feed {
  gz: StaticFile;
  /** Bytes of the JSON text. */
  size: number;
  sha256: string;
}

export class CveFeeds implements SimulatedUpstream {
  readonly #catalog: CveCatalog;
  readonly #injector: Injector;
  readonly #oddTimes: boolean;
  #made = new Map<string, Promise<Feed>>();
  #madeFor = "";
  #years: { key: string; slots: Map<number, Uint32Array> } | undefined;
  /** Feeds are built one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(catalog: CveCatalog, options: { injector: Injector; oddTimes: boolean }) {
    this.#catalog = catalog;
    this.#injector = options.injector;
    this.#oddTimes = options.oddTimes;
  }

  /** From 31 December, 10:00 UTC, there is next year's feed, which is empty. */
  #names(state: CveState): string[] {
    const lastYear = new Date(state.asOf + 14 * 3_600_000).getUTCFullYear();
    const years = Array.from({ length: Math.max(1, lastYear - FIRST_YEAR + 1) }, (_, i) =>
      String(FIRST_YEAR + i),
    );
    return [...years, "modified", "recent"];
  }

  async reply({ path, headers }: SimRequest, drawn: Drawn): Promise<Reply | undefined> {
    const state = this.#catalog.published;
    const names = this.#names(state);
    const at = `${new Date(state.asOf).toISOString().slice(0, 19)}Z`;
    if (path === `${FEEDS_PATH}/cache.properties`) {
      const lines = [
        "prefix=nvdcve-2.0-",
        `lastModifiedDate=${at}`,
        ...names.map((name) => `lastModifiedDate.${name}=${at}`),
      ];
      return serveFile(staticFile(Buffer.from(`${lines.join("\n")}\n`), "text/plain", state.asOf), headers);
    }
    const [, name = "", kind] = /\/nvdcve-2\.0-(\w+)\.(meta|json\.gz)$/.exec(path) ?? [];
    if (!names.includes(name) || path !== `${FEEDS_PATH}/nvdcve-2.0-${name}.${kind}`) return undefined;
    const conditional = headers["if-none-match"] ?? headers["if-modified-since"];
    if (conditional === undefined && drawn.take("feed-304") !== undefined) return reply(304);
    if (kind === "meta") return serveFile(await this.#meta(name, state, drawn), headers);
    const total = drawn.take("feed-total", "1");
    if (total !== undefined) return gzReply(await this.#make(name, state, { totalOff: Number(total) || 1 }));
    if (drawn.take("feed-cut") !== undefined) return gzReply(await this.#make(name, state, { cut: true }));
    return serveFile((await this.#feed(name, state)).gz, headers);
  }

  async #meta(name: string, state: CveState, drawn: Drawn): Promise<StaticFile> {
    // The file is already newer than its meta data.
    const stale = drawn.take("feed-newer") !== undefined;
    const of = stale ? this.#catalog.earlier : state;
    const feed = stale ? await this.#make(name, of) : await this.#feed(name, of);
    const wrong = drawn.take("feed-sha") !== undefined;
    const sha256 = (wrong ? feed.sha256.split("").reverse().join("") : feed.sha256).toUpperCase();
    const gzSize = feed.gz.body.length;
    const lines = [
      `lastModifiedDate:${newYork(of.asOf)}`,
      `size:${feed.size}`,
      `zipSize:${gzSize + 136}`,
      `gzSize:${gzSize}`,
      `sha256:${sha256}`,
    ];
    return staticFile(Buffer.from(`${lines.join("\r\n")}\r\n`), "text/plain", of.asOf);
  }

  #feed(name: string, state: CveState): Promise<Feed> {
    const now = `${this.#catalog.feedRevision}/${this.#injector.generation}`;
    if (now !== this.#madeFor) this.#made = new Map();
    this.#madeFor = now;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const made = this.#make(name, state);
    this.#made.set(name, made);
    return made;
  }

  #make(name: string, state: CveState, lie: { totalOff?: number; cut?: boolean } = {}): Promise<Feed> {
    const made = this.#last.then(() => this.#pack(this.#slots(name, state), state, lie));
    this.#last = made.catch(() => {});
    return made;
  }

  #slots(name: string, state: CveState): Uint32Array {
    if (name === "modified") return this.#catalog.select({ modifiedFrom: state.asOf - RECENT }, state);
    if (name === "recent") return this.#catalog.select({ publishedFrom: state.asOf - RECENT }, state);
    // A state is changed in place; the revision shows it.
    const key = `${this.#catalog.feedRevision} ${state.asOf}`;
    if (this.#years?.key !== key) this.#years = { key, slots: this.#byYear(state) };
    return this.#years.slots.get(Number(name)) ?? new Uint32Array();
  }

  /** The year comes from the id; the first feed includes older ones. */
  #byYear(state: CveState): Map<number, Uint32Array> {
    const groups = new Map<number, number[]>();
    for (const slot of this.#catalog.select({}, state)) {
      const year = Math.max(FIRST_YEAR, Number(this.#catalog.source.id(slot).slice(4, 8)));
      const group = groups.get(year);
      if (group) group.push(slot);
      else groups.set(year, [slot]);
    }
    return new Map([...groups].map(([year, slots]) => [year, Uint32Array.from(slots)]));
  }

  async #pack(slots: Uint32Array, state: CveState, lie: { totalOff?: number; cut?: boolean }): Promise<Feed> {
    const isBad = this.#injector.badRecords("feeds");
    const hash = createHash("sha256");
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 65_536 });
    const packed: Buffer[] = [];
    gzip.on("data", (chunk: Buffer) => packed.push(chunk));
    let size = 0;
    const write = async (bytes: Buffer): Promise<void> => {
      size += bytes.length;
      hash.update(bytes);
      if (!gzip.write(bytes)) await once(gzip, "drain");
    };
    const time = this.#oddTimes ? `${nvdTime(state.asOf)}0000` : nvdTime(state.asOf);
    const total = slots.length + (lie.totalOff ?? 0);
    await write(
      Buffer.from(
        `{"resultsPerPage":${total},"startIndex":0,"totalResults":${total},"format":"NVD_CVE","version":"2.0",` +
          `"timestamp":"${time}","vulnerabilities":[`,
      ),
    );
    const end = lie.cut ? Math.floor(slots.length / 2) : slots.length;
    for (let i = 0; i < end; i += AT_ONCE) {
      const page = renderPage(this.#catalog, state, slots.subarray(i, Math.min(end, i + AT_ONCE)), isBad);
      this.#injector.count("bad-record", page.bad);
      for (const chunk of page.chunks) await write(chunk);
      if (i + AT_ONCE < end) await write(Buffer.from(","));
    }
    if (!lie.cut) await write(Buffer.from("]}"));
    gzip.end();
    await once(gzip, "end");
    const gz = staticFile(Buffer.concat(packed), "application/gzip", state.asOf);
    return { gz, size, sha256: hash.digest("hex") };
  }

  setPoint(): ChangeReport {
    return { added: [], modified: [], rejected: [], silent: [], removed: [] };
  }

  /** The feeds change when they are built again from the current CVEs. */
  mutate(_change: Change): ChangeReport {
    this.#catalog.publish();
    return this.setPoint();
  }

  content(): Iterable<ContentEntry> {
    return this.#catalog.content(this.#catalog.published);
  }

  contentLines(): Iterable<string> {
    return this.#catalog.lines(this.#catalog.published);
  }

  badRecords(): BadRecord[] {
    return this.#catalog.badRecords(this.#injector.badRecords("feeds"), this.#catalog.published);
  }
}

const gzReply = ({ gz }: Feed): Reply => reply(200, { "content-type": gz.contentType }, gz.body);

/** In NVD's format: New York time with its offset. */
function newYork(ms: number): string {
  const month = new Date(ms).getUTCMonth();
  const offset = month > 2 && month < 10 ? 4 : 5;
  return `${new Date(ms - offset * 3_600_000).toISOString().slice(0, 19)}-0${offset}:00`;
}
