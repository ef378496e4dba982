/**
 * What a provider is. One file (or folder) implements it and one line in `registry.ts` adds it; queue, job ids,
 * configuration, CLI name and checkpoints follow from that.
 *
 * A provider is pure but for `extract`, which may fetch through the Fetcher it is handed. It never sees Redis or
 * BullMQ, and never another provider.
 *
 * The life of a run, seen from here:
 *   plan()      → the first batches, without any I/O
 *   extract()   → one batch's raw records, facts about the upstream, and more batches it discovered
 *   transform() → one raw record → identity, version and data; throws VAL_RECORD_* for a bad one
 *   verify()    → when every batch has settled: is this pass the whole truth? else what else to walk
 */
import type { z } from "zod";
import type { Edition } from "../core/edition.ts";
import { UeeError } from "../core/errors.ts";
import type { Fetcher } from "../core/fetching.ts";
import type { JsonObject } from "../core/json.ts";
import type { Link } from "../core/links.ts";
import type { Logger } from "../core/logger.ts";
import type { KeptRecord, SourceText, StoredText } from "../core/sourceText.ts";

export type { Link } from "../core/links.ts";

/** reconcile: every record is compared with the upstream's feeds, and repaired. */
export type RunMode = "full" | "incremental" | "reconcile";

export interface PlannedBatch<Payload> {
  /** Unique within the run and deterministic: the same plan gives the same keys. `[a-z0-9./-]+`, ≤ 80 characters. */
  key: string;
  /** Records expected; a dead batch counts this many. */
  size: number;
  payload: Payload;
}

export interface PlanInput {
  mode: RunMode;
  /** ISO time up to which the provider is verified; null where that is not known: everything must be walked. */
  watermark: string | null;
  /** ISO time (UTC, ms) by Redis TIME at which the run opened: the frozen end of every window. */
  startedAt: string;
  /** 1 at first; keys of later passes differ from those of earlier ones. */
  pass?: number;
  /** The upstream's feeds are configured (`upstream.feeds`). */
  feeds?: boolean;
}

export interface ExtractContext {
  fetcher: Fetcher;
  /** The upstream's address: the default or its override. */
  url: string;
  apiKey: string | undefined;
  /** Where the upstream's feeds are, and a fetcher under their own rate limit and breaker; undefined where they are off. */
  feeds?: { url: string; fetcher: Fetcher } | undefined;
  mode: RunMode;
  /**
   * The change key of the last complete run, when it was made under the same provider version and URL and nothing was
   * written to the store since; else null.
   */
  changeKey: JsonObject | null;
  signal: AbortSignal;
  logger: Logger;
  /** If this attempt fails, the batch becomes a dead letter: what is incomplete is better stored than refused. */
  lastAttempt: boolean;
  /** How many records to ask for at once. Shared by all batches of this process; shrinks and grows back. */
  pageSize: PageSize;
  /** Claim-check slices of this run (compressed at rest). Staging the same name again replaces it. */
  stage(name: string, slice: StagedSlice): Promise<void>;
  loadStaged(name: string): Promise<StagedSlice>;
  /** What the store knows of records by their id and source text, in the same order: unchanged ones need not be read. */
  lookUp(texts: readonly { id: string; text: Buffer }[]): Promise<StoredText[]>;
  /** A list that the change key names; undefined where it is gone. */
  loadFileList(name: string): Promise<FileList | undefined>;
  /** Keeps the lists beside the change key and drops all others but those that are `named`. Returns their names. */
  keepFileLists(lists: readonly FileList[], named: readonly string[]): Promise<string[]>;
  /** Notes that bytes of this digest were read and are wrong; true when this run has met them before. */
  noteWrong(sha256: string): Promise<boolean>;
  /**
   * Gives records away before extract ends: they are validated and committed in the batch's name, so that a large batch is
   * never in memory whole. Those returned come on top. Not for snapshots, which commit nothing before all is read.
   */
  handOver(records: unknown[], fetchedAt: number): Promise<void>;
}

export interface PageSize {
  readonly current: number;
  /** After a 524, a time-out, a "cannot exceed" or an oversized page: ask for at most `to` (default: half). */
  shrink(reason: string, to?: number): void;
  /** After a page that came well: grows back step by step. */
  succeeded(): void;
}

export interface StagedSlice {
  /** When the data was fetched (see FetchedHead.fetchedAt). */
  fetchedAt: number;
  /** In source order, each with its id where one can be told. */
  records: (SourceText | KeptRecord)[];
}

/** What one of several files of a snapshot held when it was read last. */
export interface FileList {
  ids: string[];
  /** What copies of a record are compared by, in the same order. */
  versions: unknown[];
  /** Places of the records of which the copy of another file stands. */
  lost: number[];
}

/** A feed that was read whole and is what its metadata says. */
export interface FeedFacts {
  name: string;
  /** SHA-256 of the uncompressed JSON, lower-case hex. */
  sha256: string;
  /** As its metadata wrote it. */
  lastModified: string;
  records: number;
  /** The feed shows the upstream as it was at this time at the earliest; ISO. */
  asOf: string;
}

/** What the upstream said in one batch; kept with the batch until the run is verified. ≤ 1 KB. */
export interface BatchFacts {
  /** Batches that together make one listing (one NVD window, one snapshot). */
  group: string;
  /** Records the upstream says the group has: the last figure that the batch saw. */
  total: number;
  /** Where the batch saw more than one figure: the first, and whether any was lower than one before it. */
  moved?: { first: number; fell: boolean };
  /** When the batch was fetched (see FetchedHead.fetchedAt): the order of the figures of several batches. */
  fetchedAt?: number;
  /** Records that are counted in the total and were not served: how many, and where (≤ 200 characters). */
  missing?: { count: number; at: string };
  /** The upstream's own clock in the group's first response, as it came. */
  timestamp?: string;
  /**
   * Snapshots: the edition that was received. One that is older than the edition of the last complete run changes nothing:
   * the engine drops the batches that were discovered and ends the run as incomplete (PROV_OLDER_EDITION).
   */
  edition?: Edition;
  feed?: FeedFacts;
  /** The batch's feed cannot be used, and why. */
  feedRefused?: { name: string; code: string; message: string };
}

export interface Extracted<Payload> {
  /**
   * Raw records: each its source text, which is best (it is measured before it is parsed, and kept as it came where the
   * record is bad), or a value as JSON.parse gives it; or a KeptRecord.
   */
  records: unknown[];
  fetchedAt: number;
  facts?: BatchFacts;
  /** Batches discovered by this one. Planned atomically with its checkpoint. */
  more?: PlannedBatch<Payload>[];
  /** Snapshots: the change key to store once the run is complete. No secrets: addresses only as fingerprints. */
  changeKey?: JsonObject;
  /** Snapshots: the change key did not move, nothing was fetched; the run is complete as it stands. */
  notModified?: boolean;
  /** The staged slice that the batch has read: it is dropped as soon as the batch is committed. */
  consumed?: string;
}

export interface TransformedRecord {
  /** The URN's last part. */
  id: string;
  /** The record's own version time, as it came; null where the source has none. */
  lastModified: string | null;
  /** Other names that `get` resolves, e.g. T1059.001. */
  aliases: string[];
  /** The record's content: equal to the source after JSON.parse. */
  data: JsonObject;
}

export interface VerifyInput {
  mode: RunMode;
  startedAt: string;
  watermark: string | null;
  /** 1, 2, … */
  pass: number;
  /** Facts of every committed batch of this pass, in plan order. */
  facts: { key: string; facts: BatchFacts }[];
  /** Unique records received in this pass: good, bad and nameless ones. */
  unique: number;
  /**
   * Records refused in this pass because the store has a newer version, which no later fetch of the pass confirmed (full
   * runs of windowed providers).
   */
  regressed: number;
  /**
   * Ids that the upstream served more than once in this pass. `repeated`: those of them of which all copies were equal
   * and which an earlier pass met more than once with the same content. `ids`: the first few.
   */
  doubles: { count: number; repeated: number; ids: string[] };
  /** Greatest lastModified received in this run that does not lie after the run's start, as it came. */
  newest: string | null;
  /** Time now by Redis, ISO. */
  now: string;
}

export type Verdict<Payload> =
  /** The pass is the whole truth. A watermark after the run's start is lowered to it; null: none is known. */
  | { kind: "verified"; watermark: string | null }
  /** Every record of the feeds was compared. */
  | { kind: "compared"; feeds: FeedFacts[] }
  /** The run cannot reach its end, and why. */
  | { kind: "ended"; code: "PROV_FEEDS_UNUSABLE" | "PROV_NOT_VERIFIED"; reason: string }
  /** Walk everything again, as a new pass. `note`: what the run's status says about it from then on. */
  | { kind: "again"; reason: string; note?: string; batches: PlannedBatch<Payload>[] }
  /** More batches in the same pass before the verification is repeated. */
  | { kind: "extend"; reason: string; batches: PlannedBatch<Payload>[] };

export interface Provider<Payload = unknown> {
  /** `[a-z][a-z0-9]*`: the CLI name, the queue's name, the URN's type. */
  readonly name: string;
  /** The URN's authority: `nvd`, `mitre`. */
  readonly authority: string;
  /** Raise it when records are transformed differently: change keys of older versions no longer count. */
  readonly version: number;
  /** windowed: increments by lastModified. snapshot: everything at once, by change key. */
  readonly kind: "windowed" | "snapshot";
  readonly upstream: {
    defaultUrl: string;
    /** The environment variable that overrides it. */
    urlEnv: string;
    /** Default requests per window for the whole fleet, without and with an API key. */
    rate: { max: number; windowMs: number };
    rateWithKey?: { max: number; windowMs: number };
    apiKeyEnv?: string;
    /**
     * Files that hold the upstream's records as of a time, under an address, a rate limit and a breaker of their own. Not
     * used where only the upstream's own address is overridden: that names another upstream.
     */
    feeds?: {
      defaultUrl: string;
      urlEnv: string;
      rate: { max: number; windowMs: number };
      /** A small file below the address, for the one request of `uee doctor`. */
      probe: string;
    };
    /** Query parameters that keep the answer to the one request of `uee doctor` small. */
    probe?: Readonly<Record<string, string>>;
  };
  /** What people call the source, for help and documentation. Default: the name in capitals. */
  readonly title?: string;
  /** A well-known record: its id or alias for help texts, and its content, which the contract test checks. */
  readonly example?: { readonly id: string; readonly record: JsonObject };
  /** The complete mirror's size, by which `uee doctor` tells whether it fits into Redis. */
  readonly expected?: { readonly records: number; readonly bytesPerRecord: number };
  /**
   * The name of the provider whose records these are about. They share its ids: `get` answers with that provider's record
   * where both are mirrored, and with all of them under `--all`.
   */
  readonly subject?: string;
  /**
   * What the change feed keeps: an entry for every changed record (`all`, the default), one for each edition (`summary`),
   * or nothing (`off`). For sources of very many small records that nearly all change with every edition.
   */
  readonly changes?: "all" | "summary" | "off";
  /** Top-level fields whose texts are numbers: another text of the same number is no change. */
  readonly numbers?: readonly string[];
  /**
   * When runs open by themselves unless the configuration says otherwise: `2h`, a cron expression (UTC) or `off`.
   * Left out: see `schedulesOf`.
   */
  readonly schedule?: Partial<Record<RunMode, string>>;
  /**
   * Providers whose runs come first: a scheduled run of this one waits while a run of theirs is open or due, unless they are
   * paused. An engine whose providers wait for each other in a circle does not open (SYS_CONFIG_INVALID).
   */
  readonly after?: readonly string[];
  /** Batches of a payload ≤ 16 KB. */
  readonly batch: z.ZodType<Payload>;
  readonly record: z.ZodType<JsonObject>;
  /**
   * Texts that records resemble, which compress them in the store. A stored record names its dictionary by its position:
   * append one, never change or remove one. The last one is used for what is written.
   */
  readonly dictionaries?: readonly string[];
  /**
   * Names of all columns of a source whose records are rows of short texts: the store then keeps the values alone. A stored
   * record names its list by its position: append one, never change or remove one.
   */
  readonly columns?: readonly (readonly string[])[];
  /** Largest page (`pageSize.current` at its greatest); snapshots: records per slice. */
  readonly pageSize: number;

  plan(input: PlanInput): PlannedBatch<Payload>[];
  extract(payload: Payload, context: ExtractContext): Promise<Extracted<Payload>>;
  transform(raw: unknown): TransformedRecord;
  /** The id of a record that failed `transform`, as far as it can be told. */
  identify(raw: unknown): string | undefined;
  verify(input: VerifyInput): Verdict<Payload>;
  /** Is this id (not URN) one of this provider, and how is it spelled? `cve-2021-44228` → `CVE-2021-44228`. */
  normalizeId(text: string): string | undefined;
  /** Spellings that were perhaps meant by a text that is no id, for `Did you mean`. */
  nearIds?(text: string): string[];
  /**
   * The records of this or other providers that a stored record names: the edges of the graph. Pure; raise `version` when
   * it changes, so that the index is made again. What a record is about (`subject`) need not be said.
   */
  links?(data: JsonObject): Link[];
  /** What people call a stored record, at most a line; for the nodes of the graph. */
  label?(data: JsonObject): string | undefined;
  /** `label` is a name by which people look for a record; without it, only ids find one. */
  readonly hasNames?: true;
  /** Among records that share an alias, the one it means. */
  preferAlias?(candidates: JsonObject[]): JsonObject | undefined;
}

/** A windowed provider needs a full walk now and then: upstreams edit and remove without telling. */
const usualSchedules: Record<Provider["kind"], Record<RunMode, string>> = {
  windowed: { incremental: "2h", full: "7d", reconcile: "24h" },
  snapshot: { incremental: "24h", full: "off", reconcile: "off" },
};

/** A provider's default schedules as it says them, and for what it leaves out as its kind has them. */
export const schedulesOf = ({
  kind,
  schedule,
}: Pick<Provider, "kind" | "schedule">): Record<RunMode, string> => ({
  ...usualSchedules[kind],
  ...schedule,
});

/** @throws UeeError SYS_CONFIG_INVALID where providers wait for each other in a circle (`after`): none of them would begin */
export function refuseCircles(providers: readonly Pick<Provider, "name" | "after">[]): void {
  const firsts = new Map(providers.map(({ name, after = [] }) => [name, after]));
  const ordered = new Set<string>();
  const follow = (name: string, path: readonly string[]): void => {
    if (ordered.has(name)) return;
    if (path.includes(name)) {
      const circle = [...path.slice(path.indexOf(name)), name].join(" → ");
      throw new UeeError(
        "SYS_CONFIG_INVALID",
        `Scheduled runs would wait for each other (after): ${circle}.`,
      );
    }
    for (const first of firsts.get(name) ?? []) follow(first, [...path, name]);
    ordered.add(name);
  };
  for (const { name } of providers) follow(name, []);
}

// biome-ignore lint/suspicious/noExplicitAny: the registry holds providers of different payloads
export type AnyProvider = Provider<any>;

/** Types a provider's payload through; adds nothing. */
export const defineProvider = <Payload>(provider: Provider<Payload>): Provider<Payload> => provider;
