/**
 * NVD's year feeds out of the mirror: `nvdcve-2.0-{year,modified,recent}.json.gz` and `.meta`, and `cache.properties`.
 *
 * A feed is made when the mirror has changed and then been quiet for a moment, record by record into a file, and takes the
 * place of the one before in one step together with its `.meta`. The same content gives the same bytes: the time inside a
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
import type { Logger } from "../../core/logger.ts";
import { envelopeHead, nvdTime } from "./api.ts";
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
  /** Files of the one before it: answers that have begun still read them. */
  outdated: string[];
}

export class Feeds {
  readonly directory: string;
  readonly #mirror: CveMirror;
  readonly #logger: Logger;
  readonly #built = new Map<string, Built>();
  #making = Promise.resolve();
  #cache = "";

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

  /** Name of the file that lists the times of all feeds. */
  async cacheProperties(): Promise<string> {
    const lines: string[] = [];
    let newest = 0;
    for (const name of this.names(Date.now())) {
      if (name === "recent") continue;
      const feed = await this.get(name);
      newest = Math.max(newest, feed!.changed);
      lines.push(`lastModifiedDate.${name}=${instant(feed!.changed)}`);
    }
    const text = [`prefix=${PREFIX}`, `lastModifiedDate=${instant(newest)}`, ...lines, ""].join("\n");
    const file = `cache-${sha256Of(text).slice(0, 16)}.properties`;
    if (this.#cache !== file) await this.#put(file, text, newest);
    this.#cache = file;
    return file;
  }

  async #put(file: string, text: string, changed: number): Promise<void> {
    await writeFile(join(this.directory, file), text);
    await this.#stamp(file, changed);
  }

  /** Servers beside this one give the file the same time, and so the same ETag. */
  #stamp(file: string, changed: number): Promise<void> {
    return utimes(join(this.directory, file), changed / 1_000, changed / 1_000);
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
    await rename(written.path, join(this.directory, file));
    await this.#stamp(file, changed);
    await this.#put(meta, metaOf(written, changed), changed);
    const outdated = before ? [before.file, before.meta].filter((old) => old !== file && old !== meta) : [];
    this.#built.set(name, { version, verifiedAt, file, meta, changed, outdated });
    for (const old of before?.outdated ?? []) {
      if (old !== file && old !== meta) await rm(join(this.directory, old), { force: true });
    }
    return this.#built.get(name)!;
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
      const texts = await this.#mirror.texts(ids.slice(first, first + TEXTS_AT_ONCE));
      const parts: Buffer[] = [];
      for (const text of texts) {
        if (text === undefined) continue;
        parts.push(Buffer.from(written++ === 0 ? '{"cve":' : ',{"cve":'), text, Buffer.from("}"));
      }
      await write(Buffer.concat(parts));
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

const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");

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
