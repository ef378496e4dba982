/**
 * A provider whose upstream publishes everything at once. The source says where its file is and how to read it; this file
 * does the rest: the conditional request, the change key, the edition, staging, and the batches that commit.
 *
 * A run is one `stage` batch, which downloads and parses everything and stages it in slices. Only when all of it is staged
 * does it plan the `slice` batches that commit. So a file that is broken anywhere changes nothing.
 */
import { createHash, type Hash } from "node:crypto";
import { bounds } from "../../core/bounds.ts";
import { compareEditionVersions, type Edition, type EditionName, editionOf } from "../../core/edition.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { FetchedHead } from "../../core/fetching.ts";
import { canonicalJson, type JsonObject } from "../../core/json.ts";
import { SourceText } from "../../core/sourceText.ts";
import {
  type AnyProvider,
  defineProvider,
  type ExtractContext,
  type Extracted,
  type FileList,
  type Provider,
  type TransformedRecord,
} from "../contract.ts";
import { digested, HeldFile, wrongBytes } from "../formats/download.ts";
import { checkRecord } from "../formats/records.ts";
import {
  planSnapshot,
  SLICE_RECORDS,
  type SnapshotPayload,
  snapshotFacts,
  snapshotPayload,
  verifySnapshot,
} from "./batches.ts";
import { extractSlice, SliceStager } from "./stager.ts";

/** A record as the source wrote it (best: it is measured before it is parsed), or as an object. */
export type SnapshotEntry = SourceText | JsonObject;

/** Yields the records of one file, in lists of any length, and returns the edition that the file names. */
export type SnapshotReading = AsyncGenerator<SnapshotEntry[], Edition | undefined>;

/** One of several files that together are the snapshot. */
export interface SnapshotFile {
  name: string;
  /** Absolute, or relative to the index. */
  url: string;
  /** The edition that the index names for the file. */
  edition: EditionName;
  /** What must not change for the file to count as unchanged. No secrets: addresses only as fingerprints. */
  changeKey: JsonObject;
}

export interface SnapshotIndex {
  /** In order of precedence: a later copy of a record must supersede an earlier one to stand. */
  files: readonly SnapshotFile[];
  /** Date of the newest file, where the index has dates. */
  date?: string | undefined;
}

type Described = Omit<
  Provider<SnapshotPayload>,
  "kind" | "batch" | "pageSize" | "plan" | "extract" | "verify" | "transform"
>;

export interface SnapshotSource<Version = null> extends Described {
  /** Bound of each file as it is downloaded, in bytes. Default: `bounds.catalogueBytes`. */
  readonly maxBytes?: number;
  /** What a file must look like: a web page where JSON is expected is PROV_HTML at once. Default: `binary`. */
  readonly expect?: "json" | "xml" | "zip" | "binary";
  /** Records of one slice, at most 2,500. Default: 400. More where records are small. */
  readonly sliceRecords?: number;
  /**
   * A file with rows that the reader refused (CSV of another width) is probably damaged: it is downloaded a second time,
   * and only the same bytes again are taken as they are.
   */
  readonly rereadRefused?: boolean;
  /** The address redirects to the newest file, which may not be published yet: a 404 there is PROV_NOT_PUBLISHED. */
  readonly mayBeLate?: boolean;
  /** For snapshots of several files: reads the document at the address, which names them. */
  index?(document: Buffer): SnapshotIndex;
  /** Reads one file. `file` is given where there is an index. Throws PROV_* errors. */
  read(bytes: AsyncIterable<Buffer>, file?: SnapshotFile): SnapshotReading;
  /** Default: the shallow check by `record`, without version time and aliases. */
  transform?(raw: unknown): TransformedRecord;
  /** What copies of one record are compared by. Default: nothing. */
  versionOf?(raw: unknown): Version;
  /** Whether a copy that is read later replaces the earlier one. Default: it does. */
  supersedes?(candidate: Version, current: Version): boolean;
}

export function snapshotProvider<Version = null>(source: SnapshotSource<Version>): AnyProvider {
  return defineProvider<SnapshotPayload>({
    ...source,
    kind: "snapshot",
    batch: snapshotPayload,
    pageSize: source.sliceRecords ?? SLICE_RECORDS,
    plan: ({ pass }) => planSnapshot(pass),
    extract: (payload, context) => {
      if (payload.kind === "slice") return extractSlice(payload, context);
      const stage = new Stage(source, context, payload.pass);
      return source.index ? stage.files(source.index) : stage.oneFile();
    },
    // Without a time of their own that changes with every edit, records have no version.
    transform:
      source.transform ??
      ((raw) => ({ ...checkRecord(raw, source.record, source.identify), lastModified: null, aliases: [] })),
    verify: verifySnapshot,
  });
}

const NO_TEXT = Buffer.alloc(0);
const LOOKED_UP_AT_ONCE = 2_500;

/** What the change key keeps of one of several files. */
interface KnownFile {
  key: JsonObject;
  etag?: string;
  /** Name of the list of what it held. */
  list: string;
}

/** What a file holds. */
interface ReadFile<Version> {
  etag: string | undefined;
  /** The edition that the file names itself, where the index names a newer one. */
  lagsAt?: EditionName | undefined;
  ids: string[];
  versions: Version[];
}

interface StagedFile<Version> extends ReadFile<Version> {
  file: SnapshotFile;
  /** Its slices. */
  from: number;
  to: number;
}

/** The `stage` batch of one pass. */
class Stage<Version> {
  readonly #source: SnapshotSource<Version>;
  readonly #context: ExtractContext;
  readonly #pass: number;

  constructor(source: SnapshotSource<Version>, context: ExtractContext, pass: number) {
    this.#source = source;
    this.#context = context;
    this.#pass = pass;
  }

  /** The key that the new edition is compared with: none in full runs. */
  get #known(): JsonObject | null {
    return this.#context.mode === "incremental" ? this.#context.changeKey : null;
  }

  /** The file is held as it was downloaded: its digest is the change key, and is known before anything is staged. */
  async oneFile(): Promise<Extracted<SnapshotPayload>> {
    const context = this.#context;
    const answer = context.fetcher.stream({
      url: context.url,
      headers: conditionalHeaders(context),
      maxBytes: this.#source.maxBytes ?? bounds.catalogueBytes,
      expect: this.#source.expect ?? "binary",
    });
    const { body, status, fetchedAt, headers } = await answer.catch((error: unknown) => {
      throw this.#source.mayBeLate ? notPublished(error, context.url) : error;
    });
    const file = await HeldFile.of(body);
    if (status === 304) return unchanged(fetchedAt, { ...this.#known });
    const { sha256 } = file;
    const changeKey = { sha256, ...validators(headers) };
    if (this.#known?.sha256 === sha256) return unchanged(fetchedAt, changeKey);

    const stager = this.#stager(fetchedAt);
    let edition: Edition | undefined;
    let more: Extracted<SnapshotPayload>["more"];
    try {
      const read = await this.#read(this.#source.read(file.pieces()), stager);
      edition = read.edition;
      if (read.refused > 0 && this.#source.rereadRefused && !(await context.noteWrong(sha256))) {
        const detail = `${read.refused} records cannot be read; only the same bytes a second time are believed.`;
        throw new UeeError("PROV_DAMAGED", detail);
      }
      more = await stager.finish();
    } catch (error) {
      throw await wrongBytes(error, () => sha256, context);
    }
    const named = { ...edition, ...editionOf({ lastModified: headers["last-modified"], digest: sha256 }) };
    return { records: [], fetchedAt, more, facts: snapshotFacts(stager.total, named), changeKey };
  }

  /** Files that an index names. They are read as they come and never held whole. */
  async files(readIndex: (document: Buffer) => SnapshotIndex): Promise<Extracted<SnapshotPayload>> {
    const context = this.#context;
    const head = await context.fetcher.fetch({
      url: context.url,
      headers: conditionalHeaders(context),
      maxBytes: bounds.indexBytes,
      expect: "json",
    });
    // All records are as old as the index: what another run fetched later is newer, whichever file came last here.
    const { fetchedAt } = head;
    if (head.status === 304) return unchanged(fetchedAt, { ...this.#known });
    const index = readIndex(head.body);
    const known = (this.#known?.files ?? {}) as unknown as Record<string, KnownFile>;
    const isSame = (file: SnapshotFile): boolean => isSameKey(known[file.name]?.key, file.changeKey);
    if (index.files.length === Object.keys(known).length && index.files.every(isSame)) {
      return unchanged(fetchedAt, { ...this.#known, ...validators(head.headers) });
    }
    return (await this.#stageFiles(index, head, known)) ?? (await this.#stageFiles(index, head, {}))!;
  }

  /** Undefined where a record is wanted of a file that was not read, since the copy that stood before it is gone. */
  async #stageFiles(
    index: SnapshotIndex,
    head: FetchedHead,
    known: Record<string, KnownFile>,
  ): Promise<Extracted<SnapshotPayload> | undefined> {
    const { fetchedAt } = head;
    const stager = this.#stager(fetchedAt);
    const staged: StagedFile<Version>[] = [];
    for (const file of index.files) {
      const one = this.#stageFile(file, head, stager, known[file.name]);
      staged.push(
        await one.catch((error: unknown) => {
          throw namingFile(error, file);
        }),
      );
    }
    // @safeguard unread-copy
    if (stager.lacks) return undefined;
    const more = await stager.finish();
    const parts = Object.fromEntries(staged.map(({ file, lagsAt }) => [file.name, lagsAt ?? file.edition]));
    const edition: Edition = { ...editionOf({ date: index.date }), ...sameVersion(parts), parts };
    // A file that lags is not the edition that the index names: the next run reads it again, whatever the index's ETag says.
    const current = staged.filter(({ lagsAt }) => lagsAt === undefined);
    const isWhole = current.length === staged.length;
    const lists = current.map(({ ids, versions, from, to }) => ({
      ids,
      versions,
      lost: ids.flatMap((id, place) => (stager.standsIn(id, from, to) ? [] : [place])),
    }));
    const named = Object.values(known).map(({ list }) => list);
    const names = await this.#context.keepFileLists(lists, named);
    const files = current.map(({ file: { name, changeKey: key }, etag }, i) => [
      name,
      { key, ...(etag === undefined ? {} : { etag }), list: names[i]! },
    ]);
    const changeKey = { files: Object.fromEntries(files), ...(isWhole ? validators(head.headers) : {}) };
    return { records: [], fetchedAt, more, facts: snapshotFacts(stager.total, edition), changeKey };
  }

  async #stageFile(
    file: SnapshotFile,
    index: FetchedHead,
    stager: SliceStager<Version>,
    known: KnownFile | undefined,
  ): Promise<StagedFile<Version>> {
    const from = await stager.cut();
    const list = known && (await this.#usableList(known));
    const read =
      list && isSameKey(known!.key, file.changeKey)
        ? { etag: known!.etag }
        : await this.#readFile(file, index, stager, list && known!.etag);
    if (!list || "ids" in read) return { file, ...(read as ReadFile<Version>), from, to: await stager.cut() };
    const { ids } = list;
    const versions = list.versions as Version[];
    const lost = new Set(list.lost);
    for (const [place, id] of ids.entries()) await stager.keep(id, versions[place]!, !lost.has(place));
    return { file, etag: read.etag, ids, versions, from, to: await stager.cut() };
  }

  /** The list of a file, where the store still has all records of which its copies stand. */
  async #usableList({ list: name }: KnownFile): Promise<FileList | undefined> {
    const list = await this.#context.loadFileList(name);
    if (list === undefined) return undefined;
    const lost = new Set(list.lost);
    const texts = list.ids.filter((_, place) => !lost.has(place)).map((id) => ({ id, text: NO_TEXT }));
    for (let i = 0; i < texts.length; i += LOOKED_UP_AT_ONCE) {
      const found = await this.#context.lookUp(texts.slice(i, i + LOOKED_UP_AT_ONCE));
      if (found.some(({ entry }) => entry === "")) return undefined;
    }
    return list;
  }

  async #readFile(
    file: SnapshotFile,
    index: FetchedHead,
    stager: SliceStager<Version>,
    knownEtag: string | undefined,
  ): Promise<ReadFile<Version> | { etag: string | undefined }> {
    const { body, status, headers } = await this.#context.fetcher.stream({
      url: file.url,
      ...(knownEtag === undefined ? {} : { headers: { "if-none-match": knownEtag } }),
      foundIn: index,
      maxBytes: this.#source.maxBytes ?? bounds.documentBytes,
      expect: this.#source.expect ?? "binary",
    });
    if (status === 304) {
      for await (const _none of body);
      return { etag: knownEtag };
    }
    const hash: Hash = createHash("sha256");
    const ids: string[] = [];
    const versions: Version[] = [];
    const note = (id: string | undefined, version: Version): void => {
      if (id === undefined) return;
      ids.push(id);
      versions.push(version);
    };
    try {
      const reading = this.#source.read(digested(body, hash), file);
      const { edition, records } = await this.#read(reading, stager, note);
      if (records === 0) throw new UeeError("PROV_EMPTY_LIE", "The file holds no records.");
      const lags = (compareEditionVersions(edition?.version, file.edition.version) ?? 0) < 0;
      if (lags) {
        const detail = `the index names ${file.name} ${file.edition.version}, its file holds ${edition?.version}`;
        this.#context.logger.warn({ event: "bundle_lags", domain: file.name }, detail);
      }
      const { etag } = headers;
      return { etag: etag === "" ? undefined : etag, lagsAt: lags ? edition : undefined, ids, versions };
    } catch (error) {
      throw await wrongBytes(error, () => hash.digest("hex"), this.#context);
    }
  }

  async #read(
    reading: SnapshotReading,
    stager: SliceStager<Version>,
    note: (id: string | undefined, version: Version) => void = () => undefined,
  ): Promise<{ edition: Edition | undefined; records: number; refused: number }> {
    const { identify, versionOf } = this.#source;
    let records = 0;
    let refused = 0;
    try {
      for (;;) {
        const next = await reading.next();
        if (next.done) return { edition: next.value, records, refused };
        this.#context.signal.throwIfAborted();
        records += next.value.length;
        for (const entry of next.value) {
          const isText = entry instanceof SourceText;
          const raw = isText ? entry.known : entry;
          if (isText && entry.refusal) refused += 1;
          const version = versionOf ? versionOf(raw) : (null as Version);
          const id = identify(raw);
          note(id, version);
          await stager.add(isText ? entry : SourceText.of(JSON.stringify(entry)), id, version);
        }
      }
    } finally {
      // The body of an answer that is not read to its end is released.
      await reading.return(undefined);
    }
  }

  #stager(fetchedAt: number): SliceStager<Version> {
    const { supersedes = () => true, sliceRecords } = this.#source;
    return new SliceStager({ context: this.#context, fetchedAt, pass: this.#pass, sliceRecords, supersedes });
  }
}

/** The first address is right where the 404 came from another one, to which it redirects. */
function notPublished(error: unknown, asked: string): unknown {
  if (!isUeeError(error, "PROV_NOT_FOUND") || typeof error.data.url !== "string") return error;
  if (!isElsewhere(error.data.url, asked)) return error;
  const detail = `${error.data.url} is not there yet.`;
  return new UeeError("PROV_NOT_PUBLISHED", detail, { cause: error, data: error.data });
}

const isElsewhere = (url: string, asked: string): boolean => {
  if (!URL.canParse(url) || !URL.canParse(asked)) return false;
  const [there, here] = [new URL(url), new URL(asked)];
  return there.host !== here.host || there.pathname !== here.pathname;
};

/** What a change key keeps of an answer, so that the next request can be conditional. */
export const validators = ({ etag }: Record<string, string>): JsonObject => (etag ? { etag } : {});

/**
 * Headers that make a request conditional; none in a full run. Only an ETag names the exact bytes: servers answer
 * `If-Modified-Since` with 304 for every older file, so a file that was rolled back would seem unchanged.
 */
export function conditionalHeaders(
  context: Pick<ExtractContext, "mode" | "changeKey">,
): Record<string, string> {
  const { etag } = (context.mode === "incremental" && context.changeKey) || {};
  return typeof etag === "string" ? { "if-none-match": etag } : {};
}

const unchanged = (fetchedAt: number, changeKey: JsonObject): Extracted<SnapshotPayload> => ({
  records: [],
  fetchedAt,
  notModified: true,
  changeKey,
});

const isSameKey = (known: JsonObject | undefined, key: JsonObject): boolean =>
  known !== undefined && canonicalJson(known) === canonicalJson(key);

/** The version of the whole, where all parts have the same. */
function sameVersion(parts: Record<string, EditionName>): EditionName {
  const [version, ...others] = new Set(Object.values(parts).map((part) => part.version));
  return version === undefined || others.length > 0 ? {} : { version };
}

/** The index is right and one of its files is not: the error says which, and where it was looked for. */
function namingFile(error: unknown, { name, edition: { version } }: SnapshotFile): unknown {
  if (!isUeeError(error) || !error.code.startsWith("PROV_")) return error;
  const { code, detail, cause, retryAfterMs, data } = error;
  const at = typeof data.url === "string" ? ` at ${data.url}` : "";
  const file = `The ${name} bundle${version === undefined ? "" : ` ${version}`}${at}`;
  return new UeeError(code, `${file}: ${detail}`, { cause, retryAfterMs, data });
}
