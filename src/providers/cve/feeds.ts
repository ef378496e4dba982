/**
 * NVD's year feeds, `nvdcve-2.0-<year>.json.gz`, each with a `.meta` that names its date and the SHA-256 of its JSON. They are
 * the first road of a full run. A feed is downloaded and checked whole, and staged in slices, before the first of its
 * records is committed; each slice is a batch of its own. Chains bound what is staged at once: the next feed of a chain
 * is read after the slices of the one before it.
 *
 * A feed that cannot be used is refused, never waited for: its batch ends with the reason as a fact, and `verify.ts` walks
 * the API instead.
 */
import { createHash } from "node:crypto";
import { bounds } from "../../core/bounds.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { SourceText } from "../../core/sourceText.ts";
import { formatTime, parseTime } from "../../core/time.ts";
import type { ExtractContext, Extracted, FeedFacts, PlannedBatch } from "../contract.ts";
import { readGzip } from "../formats/archives.ts";
import { digested } from "../formats/download.ts";
import { JsonArraySplitter, readJsonArrays } from "../formats/jsonArrays.ts";
import { recognise } from "../formats/sniff.ts";
import type { CvePayload, FeedPayload, FeedSlicePayload } from "./payload.ts";
import { identify } from "./record.ts";

const FIRST_YEAR = 2002;
/** Time zones are ahead of UTC by this much at most: NVD has next year's feed from 31 December, 10:00 UTC. */
const AHEAD_MS = 14 * 3_600_000;
/** Feeds that are downloaded side by side. */
const CHAINS = 4;
const SLICE_RECORDS = 1_000;
const SLICE_BYTES = 4 * 1024 * 1024;
/** Failures of one feed in a run after which it is given up. */
const TRIES = 3;
const META_BYTES = 64 * 1024;

const feedGroup = (year: number): string => `p1/feed-${year}`;
const nameOf = (year: number): string => `nvdcve-2.0-${year}`;

/** The chains of a run that begins now: every feed once, the newest, which are the largest, first. */
export function planFeeds(startedAt: string): PlannedBatch<CvePayload>[] {
  const now = Date.parse(startedAt);
  const thisYear = new Date(now).getUTCFullYear();
  const last = new Date(now + AHEAD_MS).getUTCFullYear();
  const years = Array.from({ length: Math.max(1, last - FIRST_YEAR + 1) }, (_, i) => last - i);
  return Array.from({ length: CHAINS }, (_, chain) => years.filter((_, i) => i % CHAINS === chain))
    .filter((chain) => chain.length > 0)
    .map((chain) => feedBatch({ kind: "feed", years: chain, thisYear }));
}

const feedBatch = (payload: FeedPayload): PlannedBatch<CvePayload> => ({
  key: feedGroup(payload.years[0]!),
  size: 0,
  payload,
});

/** The records of one staged slice. */
export async function extractFeedSlice(
  { name, year, total }: FeedSlicePayload,
  context: ExtractContext,
): Promise<Extracted<CvePayload>> {
  const slice = await context.loadStaged(name);
  return {
    records: slice.records,
    fetchedAt: slice.fetchedAt,
    facts: { group: feedGroup(year), total },
    consumed: name,
  };
}

export async function extractFeed(
  payload: FeedPayload,
  context: ExtractContext,
): Promise<Extracted<CvePayload>> {
  const [year, ...rest] = payload.years as [number, ...number[]];
  const group = feedGroup(year);
  const next = rest.length > 0 ? [feedBatch({ ...payload, years: rest })] : [];
  try {
    const { facts, slices, fetchedAt } = await stageFeed(year, context);
    return {
      records: [],
      fetchedAt,
      facts: { group, total: facts.records, feed: facts },
      more: [...slices.map((slice, i) => sliceBatch(year, slice, i, facts.records)), ...next],
    };
  } catch (error) {
    if (context.signal.aborted || !isUeeError(error)) throw error;
    const nothing = { records: [], fetchedAt: 0, more: next };
    // From 31 December on there may be a feed of next year, or there may not.
    if (error.code === "PROV_NOT_FOUND" && year > payload.thisYear) {
      return { ...nothing, facts: { group, total: 0 } };
    }
    if (!(await isGivenUp(error, year, context))) throw error;
    const { code, detail } = error;
    context.logger.warn({ event: "feed_refused", feed: nameOf(year), code }, `${nameOf(year)}: ${detail}`);
    const message = detail.slice(0, 300);
    return { ...nothing, facts: { group, total: 0, feedRefused: { name: nameOf(year), code, message } } };
  }
}

/** Whether no further attempt is made at a feed. What is not the upstream's fault never counts against it. */
async function isGivenUp(error: UeeError, year: number, context: ExtractContext): Promise<boolean> {
  if (!error.code.startsWith("PROV_") || error.code === "PROV_RATE_WAIT") return false;
  const mayPass = ["throttle", "overload", "transient", "corrupt"].includes(error.class);
  // A bare 404 may be a passing lie of the upstream's front.
  if (!mayPass && error.code !== "PROV_NOT_FOUND") return true;
  for (let failure = 1; failure < TRIES; failure++) {
    if (!(await context.noteWrong(`${feedGroup(year)}/${failure}`))) return false;
  }
  return true;
}

interface StagedPart {
  name: string;
  records: number;
}

const sliceBatch = (
  year: number,
  { name, records }: StagedPart,
  index: number,
  total: number,
): PlannedBatch<CvePayload> => ({
  key: `${feedGroup(year)}/${String(index + 1).padStart(4, "0")}`,
  size: records,
  payload: { kind: "slice", year, name, total },
});

async function stageFeed(
  year: number,
  context: ExtractContext,
): Promise<{ facts: FeedFacts; slices: StagedPart[]; fetchedAt: number }> {
  const { feeds } = context;
  if (feeds === undefined) throw new UeeError("PROV_FEED_MISMATCH", "This worker has no address of feeds.");
  const meta = await readMeta(addressOf(feeds.url, `${nameOf(year)}.meta`), feeds.fetcher);
  const answer = await feeds.fetcher.stream({
    url: addressOf(feeds.url, `${nameOf(year)}.json.gz`),
    maxBytes: bounds.feed.bytes,
    expect: "binary",
  });
  const { fetchedAt } = answer;
  const { kind, bytes } = await recognise(answer.body);
  // An answer that was packed for the transfer has been unpacked already.
  if (kind !== "gzip" && kind !== "json") {
    throw new UeeError("PROV_WRONG_SHAPE", `This is no feed: it is ${kind}, not gzip.`);
  }
  const hash = createHash("sha256");
  const json = kind === "gzip" ? readGzip(bytes, bounds.feed.bytes) : bytes;
  const splitter = new JsonArraySplitter({
    arrays: ["vulnerabilities"],
    members: ["totalResults", "timestamp"],
    id: "id",
    inner: "cve",
  });
  const stager = new FeedStager(year, fetchedAt, context);
  for await (const elements of readJsonArrays(digested(json, hash), splitter)) {
    context.signal.throwIfAborted();
    for (const { source } of elements) await stager.add(source);
  }
  const slices = await stager.finish();
  const sha256 = hash.digest("hex");
  // @safeguard feed-sha256
  if (sha256 !== meta.sha256) {
    const said = `sha256 ${sha256.slice(0, 12)}…, its .meta says ${meta.sha256.slice(0, 12)}…`;
    throw new UeeError("PROV_FEED_MISMATCH", `${nameOf(year)} is not what its .meta names: ${said}.`);
  }
  const { totalResults, timestamp } = splitter.members;
  // @safeguard feed-total
  if (!splitter.arrays.has("vulnerabilities") || totalResults !== stager.records) {
    const counted = `it counts ${JSON.stringify(totalResults ?? null)} records and holds ${stager.records}`;
    throw new UeeError("PROV_WRONG_SHAPE", `${nameOf(year)} contradicts itself: ${counted}.`);
  }
  const asOf = Math.min(meta.at, parseTime(timestamp) ?? meta.at);
  const { lastModified } = meta;
  const facts = { name: nameOf(year), sha256, lastModified, records: stager.records, asOf: formatTime(asOf) };
  return { facts, slices, fetchedAt };
}

/** The address of a file below the base address, whose query (a token of a mirror, say) every file's address has too. */
function addressOf(base: string, file: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${file}`;
  return url.href;
}

/** `key:value` lines, with or without a carriage return. */
async function readMeta(
  url: string,
  fetcher: NonNullable<ExtractContext["feeds"]>["fetcher"],
): Promise<{ sha256: string; lastModified: string; at: number }> {
  const { body } = await fetcher.fetch({ url, maxBytes: META_BYTES, expect: "binary" });
  const lines = body.toString("latin1").split(/\r?\n/);
  const value = (key: string): string =>
    lines
      .find((line) => line.startsWith(`${key}:`))
      ?.slice(key.length + 1)
      .trim() ?? "";
  const sha256 = value("sha256").toLowerCase();
  const lastModified = value("lastModifiedDate");
  const at = parseTime(lastModified);
  if (/^\s*</.test(lines[0]!)) throw new UeeError("PROV_HTML");
  if (!/^[0-9a-f]{64}$/.test(sha256) || at === undefined || lastModified.length > 64) {
    throw new UeeError("PROV_WRONG_SHAPE", "A feed's .meta names no sha256 or no lastModifiedDate.");
  }
  return { sha256, lastModified, at };
}

/** Stages the records of a feed as they are read, in slices whose names are made of their content. */
class FeedStager {
  records = 0;
  readonly #year: number;
  readonly #fetchedAt: number;
  readonly #context: ExtractContext;
  readonly #ids = new Set<string>();
  readonly #slices: StagedPart[] = [];
  #sources: SourceText[] = [];
  #bytes = 0;
  #staging: Promise<void> = Promise.resolve();

  constructor(year: number, fetchedAt: number, context: ExtractContext) {
    this.#year = year;
    this.#fetchedAt = fetchedAt;
    this.#context = context;
  }

  async add(source: SourceText): Promise<void> {
    this.records++;
    const id = identify(source.stub);
    if (id !== undefined && this.#ids.size === this.#ids.add(id).size) {
      throw new UeeError("PROV_WRONG_SHAPE", `${nameOf(this.#year)} lists ${id} twice.`);
    }
    this.#sources.push(source.named(id));
    this.#bytes += source.bytes.length;
    if (this.#sources.length >= SLICE_RECORDS || this.#bytes >= SLICE_BYTES) await this.#flush();
  }

  async finish(): Promise<StagedPart[]> {
    if (this.#sources.length > 0) await this.#flush();
    await this.#staging;
    return this.#slices;
  }

  async #flush(): Promise<void> {
    const sources = this.#sources;
    this.#sources = [];
    this.#bytes = 0;
    const digest = createHash("sha256");
    for (const { bytes } of sources) digest.update(bytes).update("\n");
    const number = String(this.#slices.length + 1).padStart(4, "0");
    const name = `${this.#year}-${number}-${digest.digest("hex").slice(0, 16)}`;
    await this.#staging;
    // It is compressed and stored while the next slice is read.
    this.#staging = this.#context.stage(name, { fetchedAt: this.#fetchedAt, records: sources });
    // Where reading fails first, nothing waits for it.
    this.#staging.catch(() => undefined);
    this.#slices.push({ name, records: sources.length });
  }
}
