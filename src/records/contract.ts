/**
 * The record store as the rest of the engine uses it. Redis is the store: a commit checks the run and the fence of its
 * batch, which live beside the records of the provider, and counts what the run has seen, all in one script. Only this
 * folder knows how records are stored in Redis; runs own the keys that a commit checks and counts on (redis/keys.ts, RunKeys).
 *
 * Soundness:
 *  - Every write names its attempt (run, batch, fence). A commit is refused whole (STOR_FENCED, STOR_RUN_CLOSED) when the
 *    batch has a newer attempt or the run is not open; checked in the same atomic step as the write.
 *  - A diff is computed against what was read; the write compares and sets per record, so a record that changed meanwhile
 *    is read and compared again.
 *  - An older version never replaces a newer one. Fetch times and removals are drawn from one clock a provider, which grows
 *    even while Redis' own clock goes back. A run counts (`refused:<pass>`) what it refused for a fetch that is not its own.
 *  - Which ids a run has seen, and as what, is counted in the same step; each id once, whatever is retried.
 */
import type { UeeError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Link } from "../core/links.ts";
import type { StoredText } from "../core/sourceText.ts";

/** The attempt in whose name something is written. */
export interface Attempt {
  runId: string;
  batchKey: string;
  fence: number;
  pass: number;
  /** Which copy of its records is committed, where the upstream served an id several times in one batch. Default 0. */
  copy?: number;
}

export interface IncomingRecord {
  id: string;
  lastModified: string | null;
  aliases: string[];
  /** The record, or JSON in UTF-8 that holds it. */
  data: JsonObject | Buffer;
  /** Its links (core/links.ts), where they were read already. */
  links?: readonly Link[];
  /** µs by the provider's clock (redis/lua/clock.lua). */
  fetchedAt: number;
  /** The index entry that `lookUp` found: spares a read, and is compared again when the record is written. */
  entry?: string;
}

export interface CommitOptions {
  /**
   * latest-wins: a record whose lastModified is lower than the stored one is refused (CVE); equal ones go by fetchedAt.
   * fetch-order: only fetchedAt decides (snapshots: the upstream may roll back).
   */
  staleness: "latest-wins" | "fetch-order";
  /** Full runs: a lower version seen in two passes with the same content is the upstream's truth and is accepted. */
  acceptRepeatedRegression: boolean;
  /**
   * The stored content of records that seem unchanged is read and compared too, whatever their index entry says of it.
   * look: nothing is written; what would be is counted (`missing`, `differing` of the run).
   */
  reconcile?: "repair" | "look";
  /** The records were fetched long ago (a bad record tried again): being older than what is stored is nothing odd. */
  keptBytes?: boolean;
  signal?: AbortSignal;
}

export interface CommitResult {
  created: number;
  updated: number;
  unchanged: number;
  /** Refused as older than what is stored (counted among unchanged in the run). */
  stale: number;
  /** Bytes of record values and heads sent to be written. */
  bytesWritten: number;
}

export interface StoredRecord {
  urn: string;
  provider: string;
  id: string;
  firstSeen: string;
  lastChanged: string;
  data: JsonObject;
}

export interface Tombstone {
  id: string;
  removedAt: string;
  reason: string;
  runId: string;
  firstSeen: string;
}

export interface LinkedPage {
  ids: string[];
  /** How many come after them. */
  left: number;
}

export interface ChangeCounts {
  created: number;
  updated: number;
  removed: number;
}

export interface ChangeEntry {
  /** Position after this entry; give it back to go on. */
  cursor: string;
  provider: string;
  urn: string;
  id: string;
  /** summary: what a whole run changed, of a provider whose feed names no single record; its id is `*`. */
  op: "created" | "updated" | "removed" | "summary";
  /** Top-level fields that changed (updated only). */
  fields: string[];
  /** How many records the run changed (summary only). */
  counts?: ChangeCounts;
  at: string;
  runId: string;
}

export interface Seen {
  /** A record that could be read, written or not. */
  good: boolean;
  /** The newest pass that saw it. */
  pass: number;
  /** µs by the provider's clock; 0 for those that are not good. */
  fetchedAt: number;
}

/** A record of which a run received a lower version than the stored one, and left the stored one alone. */
export interface Regression {
  id: string;
  /** The same pass received the record again by a later fetch, in a version that was not lower. */
  confirmed: boolean;
  /** The run left the record as it was. */
  unchanged: boolean;
  /** The stored record's, ms; undefined where it is gone or has none. */
  lastModified: number | undefined;
}

export interface ProviderRecords {
  /** Finds the records whose source text is the one that the stored record was read from: they need no parsing. */
  lookUp(records: readonly { id: string; text: Buffer }[]): Promise<StoredText[]>;
  /**
   * Marks records that `lookUp` found to have the same text as seen and unchanged. Returns those that changed since then:
   * they are compared like any other.
   */
  markUnchanged<R extends { id: string; stored: StoredText }>(
    attempt: Attempt,
    records: readonly R[],
    fetchedAt: number,
    signal?: AbortSignal,
  ): Promise<R[]>;
  /** Writes one entry of the change feed for a closing run, for a provider whose feed names no single record. */
  summarise(attempt: Attempt, counts: ChangeCounts): Promise<void>;
  /** Writes what changed, marks all as seen, counts. Splits into atomic steps of ≤ 32 records or 256 KB. */
  commit(attempt: Attempt, records: IncomingRecord[], options: CommitOptions): Promise<CommitResult>;
  /** Marks ids as seen without a good record behind them: bad records, those a person has accepted apart. Fenced. */
  markDead(attempt: Attempt, ids: string[], as?: "dead" | "accepted"): Promise<void>;
  /** As what a run has last seen these ids; undefined for those that it has not seen, or whose marks are dropped. */
  seen(runId: string, ids: readonly string[]): Promise<(Seen | undefined)[]>;
  /** Records that a pass of the run received in a version lower than the stored one, in pages; each id once. */
  regressions(runId: string, pass: number): AsyncIterable<Regression[]>;
  /** Ids that live in the store and that this pass of the run has not seen, in pages. */
  unseen(runId: string, pass: number): AsyncIterable<string[]>;
  /** The stored records' own lastModified, ms, in order; undefined where one is gone or has none. */
  lastModified(ids: readonly string[]): Promise<(number | undefined)[]>;
  /** Sets the count of live records right, where records went by another hand. For a run that is closing. */
  recount(): Promise<void>;
  /** Removes ids: allowed while the run is `closing` and the fence of its finish step is the newest. */
  remove(attempt: Attempt, ids: string[], reason: string): Promise<number>;
  get(id: string): Promise<StoredRecord | undefined>;
  /** The JSON of each record, UTF-8; undefined where it is not live. */
  texts(ids: readonly string[]): Promise<(Buffer | undefined)[]>;
  byAlias(alias: string): Promise<StoredRecord[]>;
  tombstone(id: string): Promise<Tombstone | undefined>;
  /**
   * The records here that name a record of this or another provider: ids in plain string order, those after `after`, at
   * most `limit`. `total` counts all of them. A relation (core/links.ts) is found from its target.
   */
  linksTo(provider: string, id: string, page: { limit: number; after?: string }): Promise<LinkedPage>;
  /** The records of this provider that are relations starting at this record. */
  linksFrom(id: string, page: { limit: number; after?: string }): Promise<LinkedPage>;
  /** False while a store of an older version has no index of links yet. */
  linksComplete(): Promise<boolean>;
  /** Makes that index of what is stored, while runs go on; yields how many records were walked. */
  buildLinks(): AsyncIterable<number>;
  /** Live records. */
  count(): Promise<number>;
  /** Live records that still have the layout of an older schema version. */
  recordsToMigrate(): Promise<number>;
  /** Migrates them, yielding after each page. Records that cannot be read are dropped and passed to `onDamaged`. */
  migrate(onDamaged: (id: string, error: UeeError) => void): AsyncIterable<{ moved: number; left: number }>;
  /** Sorted by id (plain string order); `since` (ms): only those changed at or after it. */
  export(options: { since?: number; signal?: AbortSignal }): AsyncIterable<StoredRecord>;
}

export interface ChangeFeed {
  /**
   * Entries after the cursor (in no global order; each provider's own order holds), of all providers or of those named:
   * the others' places in the cursor stay as they are.
   */
  read(
    cursor: string | undefined,
    limit: number,
    only?: readonly string[],
  ): Promise<{ entries: ChangeEntry[]; cursor: string }>;
  /**
   * The newest entries, newest first; only those of `op` and `id` where they are given. `complete`: all that are kept were
   * looked through.
   */
  newest(options: {
    limit: number;
    only?: readonly string[];
    op?: ChangeEntry["op"];
    id?: string;
  }): Promise<{ entries: ChangeEntry[]; complete: boolean }>;
  /** Where the feed ends now: what is read from this cursor happened after. */
  end(): Promise<string>;
}
