/** A run as its hash in Redis tells it, and what its batches leave behind. */
import type { Actor } from "../core/actor.ts";
import { parseTime } from "../core/time.ts";
import type { BatchFacts, RunMode } from "../providers/contract.ts";
import type { BundleFacts } from "./bundleBatches.ts";

/** Says which dead letter a batch of a replay run stands for, and where that gave up. */
export interface LetterOrigin {
  letter: string;
  runId: string;
  batch: string;
}

/** A batch as it is planned; the job's data are made from it. */
export interface BatchEntry {
  key: string;
  size: number;
  payload: unknown;
  pass: number;
  /** "record": one bad record by itself. */
  kind: "batch" | "record";
  /** In a replay run: the dead letter that this batch is tried again for. */
  letter?: LetterOrigin;
}

/** What a committed batch leaves until its run is closed. */
export interface BatchResult {
  urn: string | null;
  records: number;
  facts?: BatchFacts;
  notModified?: boolean;
  /** An edition was received that is older than the verified one, and was left alone: both, in words. */
  older?: string;
  error?: StoredError;
}

export interface StoredError {
  code: string;
  message: string;
}

/** p planned, c committed, d dead, x cancelled by a person, r dead once and then replayed elsewhere */
export type BatchStatus = { code: "p" | "c" | "d" | "x" | "r"; generation: number; raw: string };

/** Why a batch is tried again, and when. */
export interface RetryNote {
  batch: string;
  /** The error of the attempt that failed last. */
  code: string;
  message: string;
  /** The one that failed, from 1, of so many. */
  attempt: number;
  attempts: number;
  /** ISO; in the past while the next attempt waits for its turn or is under way. */
  nextAt: string;
}

/** So many batches of a run are noted that are tried again. */
export const MOST_RETRIES = 20;

/** Who opened a run. */
export interface Starter {
  kind: "person" | "engine" | "schedule" | "script";
  name: string;
}

/** What a comparison of the whole store with the upstream's feeds found. */
export interface Reconciled {
  /** ISO: when it ended, and as of when the feeds hold. */
  at: string;
  asOf: string;
  runId: string;
  repair: boolean;
  /** Different ids in the store and the feeds: the sum of `equal` to `extra`, and of `unexplained`. */
  checked: number;
  equal: number;
  /** Modified or removed after the feeds were made. */
  newer: number;
  /** Other content than in the feeds, at the same lastModified or an older one. */
  stale: number;
  /** In the feeds, and not in the store. */
  missing: number;
  /** In the store, and not in the feeds. */
  extra: number;
  repaired: number;
  /** Differences that are none of these, or that could not be compared. */
  unexplained: number;
  feeds: { name: string; sha256: string; lastModified: string; records: number }[];
}

export interface RunRecord {
  id: string;
  provider: string;
  /** replay: dead letters of closed runs, tried again. It verifies nothing. */
  kind: "ordinary" | "replay";
  /** waiting: a replay run that opens as soon as no other is open. */
  state: "waiting" | "open" | "closing" | "closed";
  mode: RunMode;
  startedAt: string;
  /** When it opened, µs by the provider's clock: what was fetched for it has a later time. */
  opened: number;
  endedAt: string | null;
  /** Who opened it, and why where that was said. */
  actor: string;
  actorKind: Actor["kind"];
  reason: string | null;
  allowShrink: boolean;
  /** An operator confirmed that the upstream took its newest edition back. */
  allowOlder: boolean;
  /** False for a reconciliation that only looks. */
  repair: boolean;
  /** What the bundle says of itself whose records the run loads; null: they come from the upstream. */
  bundle: BundleFacts | null;
  /** What a reconciliation found; null before its end, and in other runs. */
  reconciled: Reconciled | null;
  /** What a reconciliation that only looks would have created and updated. */
  missing: number;
  differing: number;
  watermarkBefore: string | null;
  /** Provider version and fingerprint of the address: the conditions under which this run's change key holds. */
  source: string;
  pass: number;
  round: number;
  outstanding: number;
  /** Batches; the jobs of bad records are none. */
  planned: number;
  done: number;
  /** Bad records whose jobs have not ended, those of replays included. */
  unfinishedRecords: number;
  deadBatches: number;
  /** Dead letters that were replayed in this run and gave up again. */
  deadAgain: number;
  /** Records planned in the batches that gave up. */
  deadSize: number;
  /** What had failed and been processed when a person last resumed (µs by the provider's clock): errors are counted from there. */
  errorBase: { errors: number; processed: number; at: number };
  /** Resumed after too many errors: everything is walked once more before the run ends. */
  walkAgain: boolean;
  /** Resumed: batches that were given up before (ms) get one more chance before the run ends. 0: none does. */
  retriesDeadBefore: number;
  created: number;
  updated: number;
  unchanged: number;
  /** Bad records, those without an id included. */
  dead: number;
  deadWithId: number;
  /** Bad records that a person has accepted: they count as nothing. */
  accepted: number;
  acceptedWithId: number;
  nameless: boolean;
  /** Accepted ones without an id. */
  namelessAccepted: number;
  /** Dead letters that refer to it, and those that refer to its staged slices. */
  letters: number;
  batchLetters: number;
  /** Records the upstream says there are in this pass; null before it has said so. */
  expected: number | null;
  removed: number;
  requests: number;
  newest: string | null;
  checkpoint: string | null;
  changeKey: string | null;
  verdict: string | null;
  removal: string | null;
  finishGeneration: number;
  result: string | null;
  error: StoredError | null;
  /** What a reader of the run's status should know of how it went on. */
  note: string | null;
  waiting: { reason: string; until: string } | null;
  /** Batches that failed and are tried again, the next one first; at most `MOST_RETRIES`. */
  retrying: RetryNote[];
  uniqueByPass: Record<number, number>;
  regressedByPass: Record<number, number>;
  /** Records refused as older than what an earlier run had stored. */
  refusedByPass: Record<number, number>;
  /** Ids that the upstream served more than once in a pass; `repeated`: see VerifyInput.doubles. */
  doublesByPass: Record<number, { count: number; repeated: number; ids: string[] }>;
}

export interface ProviderMeta {
  watermark: string | null;
  verifiedAt: string | null;
  /** When a full run was last verified. */
  lastFullAt: string | null;
  /** JSON; null also after any write to the store that no complete run has concluded. */
  changeKey: string | null;
  /** JSON of the edition of the last complete run, and where it came from. */
  edition: string | null;
  lastRunId: string | null;
  /** What the last reconciliation found; null: there was none. */
  reconciled: Reconciled | null;
  /** Why the last one could compare nothing; null where it could. */
  reconcileFailed: (StoredError & { at: string }) | null;
  /** When the last verified run opened, and the last verified one that saw the whole upstream; µs by the provider's clock. 0: none. */
  verifiedOpened: number;
  wholeOpened: number;
  /** Newest fetch that a closed run received anything from, µs by the provider's clock. */
  newestFetch: number;
  /** The last time of the provider's clock, µs as text: while it stands, nothing happens to the provider. */
  clock: string;
}

/** Records that failed for good, by the definition of the error rate: a batch that gave up counts the records it was planned with. */
export const failedRecords = ({ dead, deadSize }: Pick<RunRecord, "dead" | "deadSize">): number =>
  dead + deadSize;

/** Dead letters that a run has made: one for each bad record, one for each batch that gave up. */
export const deadLetteredBy = ({ dead, deadBatches }: Pick<RunRecord, "dead" | "deadBatches">): number =>
  dead + deadBatches;

/** Clocks differ, and records are entered retroactively: a watermark may lie this far after what it rests on. */
const WATERMARK_SLACK_MS = 10 * 3_600_000;

/**
 * The stored watermark, or null where it cannot be true: it lies after the start of the run that verified it, as older
 * versions stored it for records that are dated in the future. How far the store is complete is then unknown.
 */
export function usableWatermark(
  { watermark, verifiedOpened }: Pick<ProviderMeta, "watermark" | "verifiedOpened">,
  nowMs: number,
): string | null {
  const at = parseTime(watermark);
  if (at === undefined) return null;
  const bound = verifiedOpened > 0 ? verifiedOpened / 1_000 : nowMs;
  return at > bound + WATERMARK_SLACK_MS ? null : watermark;
}

/** Undefined where there is no such run. */
export function toRunRecord(runId: string, h: Record<string, string>): RunRecord | undefined {
  if (!h.state) return undefined;
  const int = (name: string): number => Number(h[name] ?? "0");
  const byPass = (stem: string): Record<number, number> =>
    Object.fromEntries(
      Object.entries(h)
        .filter(([name]) => name.startsWith(stem))
        .map(([name, value]) => [Number(name.slice(stem.length)), Number(value)]),
    );
  return {
    id: runId,
    provider: h.provider ?? "",
    kind: h.kind === "replay" ? "replay" : "ordinary",
    state: h.state as RunRecord["state"],
    mode: h.mode as RunMode,
    startedAt: h.startedAt ?? "",
    // Runs opened before the provider's clock existed have only the wall clock's time.
    opened: h.opened === undefined ? (Date.parse(h.startedAt ?? "") || 0) * 1_000 : int("opened"),
    endedAt: h.endedAt ?? null,
    actor: h.actor ?? "",
    // Runs of older versions do not tell.
    actorKind: (h.actorKind as Actor["kind"] | undefined) ?? "engine",
    reason: h.reason || null,
    allowShrink: h.allowShrink === "1",
    allowOlder: h.allowOlder === "1",
    repair: h.repair !== "0",
    bundle: h.bundle ? (JSON.parse(h.bundle) as BundleFacts) : null,
    reconciled: h.reconciled ? (JSON.parse(h.reconciled) as Reconciled) : null,
    missing: int("missing"),
    differing: int("differing"),
    watermarkBefore: h.watermarkBefore || null,
    source: h.source ?? "",
    pass: int("pass"),
    round: int("round"),
    outstanding: int("outstanding"),
    planned: int("planned") - int("plannedRecords"),
    done: int("done") - int("doneRecords"),
    unfinishedRecords: int("plannedRecords") - int("doneRecords"),
    deadBatches: int("deadBatches"),
    deadAgain: int("deadAgain"),
    deadSize: int("deadSize"),
    errorBase: {
      errors: int("errorBaseErrors"),
      processed: int("errorBaseProcessed"),
      at: int("errorBaseTick") || int("errorBaseAt") * 1_000,
    },
    walkAgain: h.walkAgain === "1",
    retriesDeadBefore: int("retriesDeadBefore"),
    created: int("created"),
    updated: int("updated"),
    unchanged: int("unchanged"),
    dead: int("dead"),
    deadWithId: int("dead") - int("namelessCount"),
    accepted: int("accepted"),
    acceptedWithId: int("accepted") - int("namelessAccepted"),
    nameless: int("namelessCount") > 0,
    namelessAccepted: int("namelessAccepted"),
    letters: int("letters"),
    batchLetters: int("batchLetters"),
    expected: h[`expected:${h.pass}`] === undefined ? null : int(`expected:${h.pass}`),
    removed: int("removed"),
    requests: int("requests"),
    newest: h.newest ?? null,
    checkpoint: h.checkpoint ?? null,
    changeKey: h.changeKey ?? null,
    verdict: h.verdict ?? null,
    removal: h.removal ?? null,
    finishGeneration: int("finishGeneration"),
    result: h.result ?? null,
    error: h.error ? (JSON.parse(h.error) as StoredError) : null,
    note: h.note ?? null,
    waiting: h.waitingUntil ? { reason: h.waitingReason ?? "", until: h.waitingUntil } : null,
    retrying: retriesOf(h),
    uniqueByPass: byPass("unique:"),
    regressedByPass: byPass("regressed:"),
    refusedByPass: byPass("refused:"),
    doublesByPass: Object.fromEntries(
      Object.entries(byPass("doubles:")).map(([pass, count]) => [
        pass,
        {
          count,
          repeated: int(`repeated:${pass}`),
          ids: (h[`doubleIds:${pass}`] ?? "").split(" ").slice(0, 10),
        },
      ]),
    ),
  };
}

const retryField = "retry:";

const retriesOf = (h: Record<string, string>): RetryNote[] =>
  Object.entries(h)
    .filter(([field]) => field.startsWith(retryField))
    .map(([field, json]) => {
      const { nextMs, ...note } = JSON.parse(json) as Omit<RetryNote, "batch" | "nextAt"> & {
        nextMs: number;
      };
      return { batch: field.slice(retryField.length), ...note, nextAt: new Date(nextMs).toISOString() };
    })
    .sort((a, b) => (a.nextAt < b.nextAt ? -1 : 1));
