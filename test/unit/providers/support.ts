/** A stand-in for what the engine hands to `extract`: answers by URL, staged slices in memory, every request kept. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { crc32, deflateRawSync, gunzipSync } from "node:zlib";
import { UeeError } from "../../../src/core/errors.ts";
import type { Fetcher, FetchRequest } from "../../../src/core/fetching.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { SourceText } from "../../../src/core/sourceText.ts";
import type {
  AnyProvider,
  ExtractContext,
  Extracted,
  FileList,
  RunMode,
  StagedSlice,
} from "../../../src/providers/contract.ts";
import type { SnapshotPayload } from "../../../src/providers/snapshot/batches.ts";

export interface Answer {
  body: Buffer | string;
  headers?: Record<string, string>;
}

export interface FakeUpstream {
  context: ExtractContext;
  requests: FetchRequest[];
  staged: Map<string, StagedSlice>;
}

export const FETCHED_AT = 1_700_000_000_000_000;

/** Answers 304 to a conditional request whose etag matches, as an upstream would. */
export function fakeUpstream(
  answers: Record<string, Answer>,
  options: {
    url?: string;
    mode?: RunMode;
    changeKey?: JsonObject | null | undefined;
    chunkBytes?: number;
    /** Lists of files of an earlier run. */
    lists?: Map<string, FileList>;
  } = {},
): FakeUpstream {
  const lists = options.lists ?? new Map<string, FileList>();
  const requests: FetchRequest[] = [];
  const staged = new Map<string, StagedSlice>();
  const wrong = new Set<string>();
  const answer = (request: FetchRequest) => {
    requests.push(request);
    const url = new URL(request.url, request.foundIn?.url).href;
    const found = answers[url];
    if (!found) throw new UeeError("PROV_NOT_FOUND", undefined, { data: { url } });
    const headers = found.headers ?? {};
    const head = { headers, url, fetchedAt: FETCHED_AT + requests.length };
    const wanted = request.headers?.["if-none-match"];
    if (wanted !== undefined && wanted === headers.etag) {
      return { ...head, status: 304 as const, body: Buffer.alloc(0) };
    }
    return { ...head, status: 200 as const, body: Buffer.from(found.body) };
  };
  const fetcher: Fetcher = {
    fetch: async (request) => answer(request),
    stream: async (request) => {
      const { body, ...head } = answer(request);
      return { ...head, body: pieces(body, options.chunkBytes ?? 64 * 1024) };
    },
  };
  const context: ExtractContext = {
    fetcher,
    url: options.url ?? Object.keys(answers)[0]!,
    apiKey: undefined,
    mode: options.mode ?? "full",
    changeKey: options.changeKey ?? null,
    lastAttempt: false,
    signal: new AbortController().signal,
    logger: silentLogger(),
    pageSize: { current: 400, shrink() {}, succeeded() {} },
    stage: async (name, slice) => void staged.set(name, slice),
    loadStaged: async (name) => {
      const slice = staged.get(name);
      if (!slice) throw new Error(`no slice ${name}`);
      return slice;
    },
    // Whatever is looked up without a text is in the store.
    lookUp: async (texts) =>
      texts.map(({ text }) => ({
        entry: text.length === 0 ? "." : "",
        same: false,
        lastModified: undefined,
      })),
    loadFileList: async (name) => lists.get(name),
    keepFileLists: async (kept) =>
      kept.map((list) => {
        const name = String(lists.size);
        lists.set(name, list);
        return name;
      }),
    noteWrong: async (sha256) => {
      const known = wrong.has(sha256);
      wrong.add(sha256);
      return known;
    },
    handOver: () => Promise.reject(new Error("snapshots commit nothing before all is read")),
  };
  return { context, requests, staged };
}

export async function* pieces(body: Buffer, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += bytes) yield body.subarray(at, at + bytes);
}

/** A raw record as the engine gives it to `transform`. */
export const valueOfRaw = (record: unknown): unknown =>
  record instanceof SourceText ? record.known : record;

export interface SnapshotRun {
  staged: Extracted<SnapshotPayload>;
  slices: Extracted<SnapshotPayload>[];
  records: unknown[];
}

/** A whole pass: the stage batch, then every batch it discovered, each payload through its schema as a job's is. */
export async function runSnapshot(provider: AnyProvider, { context }: FakeUpstream): Promise<SnapshotRun> {
  const [first] = provider.plan({
    mode: context.mode,
    watermark: null,
    startedAt: "2026-01-01T00:00:00.000Z",
  });
  const staged: Extracted<SnapshotPayload> = await provider.extract(first!.payload, context);
  const slices: Extracted<SnapshotPayload>[] = [];
  for (const batch of staged.more ?? []) {
    const payload = provider.batch.parse(JSON.parse(JSON.stringify(batch.payload)));
    const extracted = await provider.extract(payload, context);
    if (extracted.records.length !== batch.size) throw new Error(`${batch.key} is not of its planned size`);
    slices.push({ ...extracted, records: extracted.records.map(valueOfRaw) });
  }
  return { staged, slices, records: slices.flatMap((slice) => slice.records) };
}

export interface ZipEntry {
  name: string;
  content: Buffer;
  /** What the directory claims instead of the truth. */
  crc?: number;
  size?: number;
}

/** A zip as the format describes it: local headers with deflated data, the directory, its end. */
export function makeZip(entries: ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, crc = crc32(content), size = content.length } of entries) {
    const data = deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), common, place, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from("PK\x05\x06"), end]);
}

export const sharedData = process.env.UEE_SHARED_DATA ?? resolve("../shared/data");

export const hasSharedData = existsSync(sharedData);
if (!hasSharedData)
  console.warn(`No real feeds at ${sharedData}: their tests are skipped (UEE_SHARED_DATA).`);

/** A real feed, unpacked. */
export const readShared = (path: string): Buffer => gunzipSync(readFileSync(resolve(sharedData, path)));
