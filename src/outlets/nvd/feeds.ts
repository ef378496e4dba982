/**
 * NVD's year feeds out of the mirror: `nvdcve-2.0-{year,modified,recent}.json.gz` and `.meta`, and `cache.properties`.
 *
 * A feed is made when the mirror has changed and then been quiet for a moment, record by record into a file, and takes the
 * place of the one before in one step together with its `.meta`. A client that has one half of a pair gets the other half of
 * the same pair, even where the feed has changed meanwhile. The same content gives the same bytes: the time inside a
 * feed is that of its newest record, and gzip's header has none. `lastModifiedDate` says when the mirror last changed it.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGzip } from "node:zlib";
import { LRUCache } from "lru-cache";
import type { Logger } from "../../core/logger.ts";
import { sha256 } from "../../core/sha256.ts";
import { nvdTime } from "../../core/time.ts";
import { envelopeHead, rowsOf } from "./api.ts";
import { type CveIndex, yearOf } from "./cveIndex.ts";
import type { CveMirror } from "./mirror.ts";

const PREFIX = "nvdcve-2.0-";
/** What `modified` and `recent` reach back, ms. */
const RECENT_MS = 8 * 86_400_000;
const TEXTS_AT_ONCE = 250;
/** The mirror must have been quiet for this long before feeds are made, ms; during a long run they are made this often. */
const QUIET_MS = 3_000;
const AT_LATEST_MS = 300_000;
/** The empty feed of the next year is there 14 hours before the year begins: the earth's first zones are in it. */
const AHEAD_MS = 14 * 3_600_000;
const DIRECTORY = "uee-feeds-";
/** How long a client that has one half of a pair may take to ask for the other, ms. */
const PAIR_MS = 15 * 60_000;
const PAIRS = 10_000;
/** Earlier versions of a feed whose files are kept for such clients. */
const EARLIER = 3;

export interface Feed {
  /** Names of its files in the directory. */
  file: string;
  meta: string;
  /** When the mirror last changed it, ms since the epoch, whole seconds. */
  changed: number;
}

interface Built extends Feed {
  version: string;
  /** The verification whose content it has. */
  verifiedAt: string | null;
}

export interface HalfRequest {
  /** Tells one client from another. */
  client: string;
  half: "meta" | "gz";
  head: boolean;
  /** A part of a half of which the client has another part. */
  range: boolean;
}

interface Pair {
  feed: Promise<Feed | undefined>;
  sent: Set<"meta" | "gz">;
}

/** The half that belongs to what the client has is no longer kept. */
export class FeedChanged extends Error {}

export class Feeds {
  readonly directory: string;
  readonly #mirror: CveMirror;
  readonly #logger: Logger;
  readonly #built = new Map<string, Built>();
  /** By name, the newest first. */
  readonly #earlier = new Map<string, Feed[]>();
  /** By name and client: the pair of which the client has a half. */
  readonly #pairs = new LRUCache<string, Pair>({ max: PAIRS, ttl: PAIR_MS });
  #writes = 0;
  #making = Promise.resolve();
  /** Names of the files that cacheProperties made, the newest first. */
  #caches: string[] = [];

  /** `directory`: of this process alone. */
  constructor(mirror: CveMirror, directory: string, logger: Logger) {
    this.#mirror = mirror;
    this.directory = directory;
    this.#logger = logger;
  }

  /** The names that are served, without prefix: years, `modified`, `recent`. */
  names(now: number): string[] {
    const last = Math.max(new Date(now + AHEAD_MS).getUTCFullYear(), ...this.#mirror.index.years());
    const years = Array.from({ length: last - 2001 }, (_, i) => String(2002 + i));
    return [...years, "modified", "recent"];
  }

  /**
   * The newest that is made. One that has not the content of the last verification is made first: a run costs each feed
   * that it changed one making, however long it goes on. Undefined for a name that is not served.
   */
  async get(name: string): Promise<Feed | undefined> {
    if (!this.names(Date.now()).includes(name)) return undefined;
    const built = this.#built.get(name);
    return built?.verifiedAt === this.#mirror.verified.verifiedAt ? built : await this.#make(name);
  }

  /**
   * The feed whose half this client gets: of the pair of which it has the other half, else the newest. Who asks for a half
   * again gets the newest. Undefined for a name that is not served.
   * @throws FeedChanged
   */
  async getHalf(name: string, { client, half, head, range }: HalfRequest): Promise<Feed | undefined> {
    const key = `${name} ${client}`;
    const begun = this.#pairs.get(key);
    if (begun && (range || (!begun.sent.has(half) && (!head || begun.sent.size > 0)))) {
      const feed = await begun.feed;
      if (feed && !this.#keeps(name, feed)) {
        this.#pairs.delete(key);
        throw new FeedChanged(`The feed ${name} has changed since: read its .meta again.`);
      }
      if (!head && !range) begun.sent.add(half);
      return feed;
    }
    const feed = this.get(name);
    // Before it is there: the other half may be asked for at the same moment.
    this.#pairs.set(key, { feed, sent: new Set(head ? [] : [half]) });
    feed.then(
      (found) => found ?? this.#pairs.delete(key),
      () => this.#pairs.delete(key),
    );
    return await feed;
  }

  #keeps(name: string, feed: Feed): boolean {
    return this.#built.get(name) === feed || (this.#earlier.get(name) ?? []).includes(feed);
  }

  /** Name of the file that lists the times of all feeds. */
  async cacheProperties(client: string): Promise<string> {
    const lines: string[] = [];
    let newest = 0;
    for (const name of this.names(Date.now())) {
      this.#pairs.delete(`${name} ${client}`);
      if (name === "recent") continue;
      const feed = await this.get(name);
      newest = Math.max(newest, feed!.changed);
      lines.push(`lastModifiedDate.${name}=${instant(feed!.changed)}`);
    }
    const text = [`prefix=${PREFIX}`, `lastModifiedDate=${instant(newest)}`, ...lines, ""].join("\n");
    const file = `cache-${sha256(text).slice(0, 16)}.properties`;
    if (this.#caches[0] !== file) {
      await this.#put(file, text, newest);
      this.#caches = [file, ...this.#caches.filter((old) => old !== file)];
      for (const old of this.#caches.splice(EARLIER)) await rm(join(this.directory, old), { force: true });
    }
    return file;
  }

  async #put(file: string, text: string, changed: number): Promise<void> {
    const path = join(this.directory, `${file}.${this.#writes++}.part`);
    await writeFile(path, text);
    await this.#publish(path, file, changed);
  }

  /** In one step, since a file of the same name may be read. Servers beside this one give it the same time and ETag. */
  async #publish(path: string, file: string, changed: number): Promise<void> {
    await utimes(path, changed / 1_000, changed / 1_000);
    await rename(path, join(this.directory, file));
  }

  /** Makes what has changed until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    let generation = -1;
    let quietSince = Date.now();
    let madeAt = 0;
    while (!signal.aborted) {
      try {
        if (this.#mirror.generation !== generation) {
          generation = this.#mirror.generation;
          quietSince = Date.now();
        }
        const due = Date.now() - quietSince >= QUIET_MS || Date.now() - madeAt >= AT_LATEST_MS;
        if (this.#mirror.loaded && due) {
          for (const name of this.names(Date.now())) {
            if (signal.aborted) return;
            await this.#make(name);
          }
          madeAt = Date.now();
        }
      } catch (error) {
        this.#logger.warn(
          { event: "serve_feed_failed", err: error },
          "a feed could not be made; trying again",
        );
      }
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One at a time: each holds a page of texts and a compressor. */
  #make(name: string): Promise<Built> {
    const made = this.#making.then(() => this.#makeNow(name));
    this.#making = made.then(
      () => undefined,
      () => undefined,
    );
    return made;
  }

  async #makeNow(name: string): Promise<Built> {
    const { index } = this.#mirror;
    const { verifiedAt, watermark } = this.#mirror.verified;
    const since = (watermark === null ? Date.now() : Date.parse(watermark)) - RECENT_MS;
    const isYear = /^\d+$/.test(name);
    const version = isYear
      ? `${index.year(Number(name)).version} of ${this.#mirror.loads}`
      : `${this.#mirror.generation} since ${since}`;
    const before = this.#built.get(name);
    if (before?.version === version) {
      before.verifiedAt = verifiedAt;
      return before;
    }
    const { ids, newest } = contentOf(index, name, since);
    const written = await this.#write(name, ids, nvdTime(newest));
    const ownChange = isYear ? index.year(Number(name)).changed : changeOf(index);
    const changed = Math.floor((ownChange || newest) / 1_000) * 1_000;
    const base = `${PREFIX}${name}-${written.sha256.slice(0, 16)}`;
    const [file, meta] = [`${base}.json.gz`, `${base}-${changed / 1_000}.meta`];
    await this.#publish(written.path, file, changed);
    await this.#put(meta, metaOf(written, changed), changed);
    const now: Built = { version, verifiedAt, file, meta, changed };
    this.#built.set(name, now);
    const earlier = [...(before ? [before] : []), ...(this.#earlier.get(name) ?? [])];
    const dropped = earlier.splice(EARLIER);
    this.#earlier.set(name, earlier);
    const kept = new Set([now, ...earlier].flatMap((feed) => [feed.file, feed.meta]));
    for (const old of dropped.flatMap((feed) => [feed.file, feed.meta])) {
      if (!kept.has(old)) await rm(join(this.directory, old), { force: true });
    }
    return now;
  }

  async #write(name: string, ids: string[], timestamp: string): Promise<Written> {
    const path = join(this.directory, `${name}.part`);
    const gzip = createGzip();
    const out = gzip.pipe(createWriteStream(path));
    const hash = createHash("sha256");
    let size = 0;
    const write = async (chunk: Buffer): Promise<void> => {
      hash.update(chunk);
      size += chunk.length;
      if (!gzip.write(chunk)) await once(gzip, "drain");
    };
    const rows = ids.length;
    await write(Buffer.from(envelopeHead(rows, { startIndex: 0, total: rows, timestamp })));
    let written = 0;
    for (let first = 0; first < rows; first += TEXTS_AT_ONCE) {
      const found = await this.#mirror.texts(ids.slice(first, first + TEXTS_AT_ONCE));
      const texts = found.filter((text) => text !== undefined);
      await write(rowsOf(texts, written));
      written += texts.length;
    }
    await write(Buffer.from("]}"));
    gzip.end();
    await finished(out);
    // A record went meanwhile: the envelope has counted it.
    if (written !== rows) return await this.#write(name, await this.#live(ids), timestamp);
    return { path, size, gzSize: (await stat(path)).size, sha256: hash.digest("hex").toUpperCase(), name };
  }

  async #live(ids: string[]): Promise<string[]> {
    const live: string[] = [];
    for (let first = 0; first < ids.length; first += TEXTS_AT_ONCE) {
      const some = ids.slice(first, first + TEXTS_AT_ONCE);
      const texts = await this.#mirror.texts(some);
      live.push(...some.filter((_, i) => texts[i] !== undefined));
    }
    return live;
  }
}

interface Written {
  name: string;
  path: string;
  /** Bytes of the JSON. */
  size: number;
  gzSize: number;
  sha256: string;
}

/** Ids of a feed's records in order, and the newest `lastModified` among them, ms. */
function contentOf(index: CveIndex, name: string, since: number): { ids: string[]; newest: number } {
  const wanted = {
    modified: (ordinal: number) => index.modifiedOf(ordinal) >= since,
    recent: (ordinal: number) => index.publishedOf(ordinal) >= since,
  }[name];
  const year = Number(name);
  let newest = wanted ? since : Date.UTC(year, 0, 1);
  const ids: string[] = [];
  for (const ordinal of index.all()) {
    const id = index.idOf(ordinal);
    if (wanted ? !wanted(ordinal) : yearOf(id) !== year) continue;
    if (ids.push(id) === 1) newest = 0;
    newest = Math.max(newest, index.modifiedOf(ordinal));
  }
  return { ids, newest };
}

const changeOf = (index: CveIndex): number =>
  Math.max(0, ...index.years().map((year) => index.year(year).changed));

/** DependencyCheck reads only times that end in `Z`. */
const instant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function metaOf({ name, size, gzSize, sha256 }: Written, changed: number): string {
  // A zip of the same deflated bytes: its headers have the file's name twice.
  const zipSize = gzSize - 18 + 98 + 2 * `${PREFIX}${name}.json`.length;
  return [
    `lastModifiedDate:${new Date(changed).toISOString().slice(0, 19)}+00:00`,
    `size:${size}`,
    `zipSize:${zipSize}`,
    `gzSize:${gzSize}`,
    `sha256:${sha256}`,
    "",
  ].join("\r\n");
}

/** A directory of this process; those that dead processes left behind are removed. */
export async function feedDirectory(): Promise<string> {
  await mkdir(tmpdir(), { recursive: true });
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^uee-feeds-(\d+)-/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return await mkdtemp(join(tmpdir(), `${DIRECTORY}${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
