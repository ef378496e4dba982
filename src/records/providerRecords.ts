/**
 * The records of one provider.
 *
 * Layout (docs/decisions/0006-record-layout-2.md has the figures):
 *  - index       4,096 HASHes id → at most 64 bytes: digests, versions, times (indexEntry.ts). The set of live records.
 *  - content     LIST of each record: a base and patches (content.ts).
 *  - tombstones  HASH id → when and why the record went.
 *  - changes     STREAM `<seq>-0`, contiguous.
 *  - alias       SET of ids.
 *  - links       HASH of each record that others name (links.ts).
 *
 * Soundness:
 *  - Every write is one script that first checks the run's state and the batch's fence, and writes nothing where either
 *    has moved on. All keys of a provider share a hash tag, so the script sees them all.
 *  - Versions are compared here (unchanged, newer, stale) with an index entry and a tombstone; the script compares both byte
 *    for byte before it writes or marks, so that no result outlives what it was made from. Conflicts are compared again, at
 *    most eight times.
 *  - An unchanged record moves nothing but the run's mark. The mark carries the fetch time: an earlier fetch of the same
 *    run that comes late yields to it. Fetches of earlier runs cannot come at all: a closed run is refused.
 *  - A tombstone's time is compared with the fetch time: what was fetched before the removal never resurrects it.
 *  - firstSeen, lastChanged, tombstones and change entries are stamped by Redis TIME, in the script.
 *  - An attempt that is killed between steps is simply repeated: what is stored already is found unchanged, and the mark
 *    of the first attempt (created, updated) stands, so each id counts once.
 */
import type { Redis } from "ioredis";
import type { ProviderKeys } from "../redis/keys.ts";
import { CanonicalWriter } from "./canonicalWriter.ts";
import { commitRecords } from "./commit.ts";
import { ContentCodec } from "./content.ts";
import type { ProviderRecords } from "./contract.ts";
import { FrameWriter } from "./frame.ts";
import { unpackIndexEntry } from "./indexEntry.ts";
import { readEntries, recount } from "./indexReads.ts";
import { buildLinks, linksComplete, readLinks } from "./links.ts";
import { migrateRecords, recordsToMigrate } from "./migration/migrate.ts";
import { exportRecords, getRecord, recordsByAlias, recordTexts } from "./queries.ts";
import { lookUp, markUnchanged } from "./recognise.ts";
import { removeRecords, unseenIds } from "./removal.ts";
import { MARKS_A_CALL, markSeen, parseMark, regressions } from "./seenMarks.ts";
import { chunksOf, type RecordsProvider, type StoreContext } from "./storeContext.ts";
import { summariseRun } from "./summary.ts";
import { readTombstone } from "./tombstones.ts";

export interface ProviderRecordsOptions {
  redis: Redis;
  keys: ProviderKeys;
  provider: RecordsProvider;
  /** Entries that the change feed keeps, at least. */
  changesLimit: number;
}

export function makeProviderRecords(options: ProviderRecordsOptions): ProviderRecords {
  const { dictionaries, columns } = options.provider;
  const context: StoreContext = { ...options, content: new ContentCodec(dictionaries, columns) };
  const { redis, keys } = context;
  const tools = { context, writer: new CanonicalWriter(), frame: new FrameWriter() };
  return {
    summarise: (attempt, counts) => summariseRun(context, attempt, counts),
    lookUp: (texts) => lookUp(context, texts),
    markUnchanged: (attempt, unchanged, fetchedAt, signal) =>
      markUnchanged(context, attempt, unchanged, fetchedAt, signal),
    commit: (attempt, records, commitOptions) => commitRecords(tools, attempt, records, commitOptions),
    async markDead(attempt, ids, as = "dead") {
      // No fetch time: a dead mark never makes a good record yield.
      for (const chunk of chunksOf([...new Set(ids)], MARKS_A_CALL)) {
        await markSeen(
          context,
          attempt,
          as === "dead" ? "d" : "a",
          0,
          chunk.map((id) => ({ id, base: "" })),
        );
      }
    },
    async seen(runId, ids) {
      if (ids.length === 0) return [];
      const marks = await redis.hmget(keys.run(runId).seen, ...ids);
      return marks.map((mark) => (mark === null ? undefined : parseMark(mark)));
    },
    regressions: (runId, pass) => regressions(context, runId, pass),
    unseen: (runId, pass) => unseenIds(context, runId, pass),
    async lastModified(ids) {
      const entries = await readEntries(context, ids);
      return entries.map((entry) => (entry === "" ? undefined : unpackIndexEntry(entry).lastModified));
    },
    recount: () => recount(context),
    remove: (attempt, ids, reason) => removeRecords(context, attempt, ids, reason),
    get: (id) => getRecord(context, id),
    texts: (ids) => recordTexts(context, ids),
    byAlias: (alias) => recordsByAlias(context, alias),
    async tombstone(id) {
      const raw = await redis.hget(keys.tombstones, id);
      return raw === null ? undefined : readTombstone(id, raw);
    },
    linksTo: (name, id, page) => readLinks(context, keys.linksTo(name, id), page),
    linksFrom: (id, page) => readLinks(context, keys.linksFrom(id), page),
    linksComplete: () => linksComplete(context),
    buildLinks: () => buildLinks(context),
    async count() {
      const [live, left] = await Promise.all([redis.hget(keys.meta, "live"), recordsToMigrate(context)]);
      return Number(live ?? "0") + left;
    },
    recordsToMigrate: () => recordsToMigrate(context),
    migrate: (onDamaged) => migrateRecords(context, onDamaged),
    export: (exportOptions) => exportRecords(context, exportOptions),
  };
}
