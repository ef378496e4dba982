/** A dead letter as its hash in Redis tells it (see lua/deadLetters.lua), and what a new one is made of. */

import { errorCatalog } from "../../core/errorCatalog.ts";
import { sha256 } from "../../core/sha256.ts";
import type { FailedJob } from "../../queues/providerQueue.ts";
import type { StoredError } from "../../runs/runRecord.ts";
import type { DeadLetter, DeadLetterClass, DeadLetterFilter, DeadLetterState } from "./api.ts";

export interface StoredDeadLetter extends Omit<DeadLetter, "provider"> {
  /** Its last failure, ms: its place in the index. */
  lastMs: number;
  /** The replay under way: its run, its batch there, and that batch's generation. */
  replay: { runId: string; key: string; generation: number } | null;
  /** µs at which a good version of the record was fetched; 0 none. */
  supersededAt: number;
}

/** As operators and scripts see it. */
export const toDeadLetter = (
  provider: string,
  { lastMs, replay, supersededAt, ...letter }: StoredDeadLetter,
): DeadLetter => ({ provider, ...letter });

export function toStoredDeadLetter(id: string, h: Record<string, string>): StoredDeadLetter | undefined {
  if (!h.state) return undefined;
  const int = (name: string): number => Number(h[name] ?? "0");
  const text = (name: string): string => h[name] ?? "";
  const action = { actor: text("actor"), at: text("actionAt"), reason: h.reason || null };
  return {
    id,
    kind: h.kind as DeadLetter["kind"],
    class: h.class as DeadLetterClass,
    state: h.state as DeadLetterState,
    code: text("code"),
    message: text("message"),
    runId: text("run"),
    batch: text("batch"),
    subject: text("subject"),
    size: int("size"),
    attempts: int("attempts"),
    replays: int("replays"),
    firstFailedAt: new Date(int("firstMs")).toISOString(),
    lastFailedAt: new Date(int("lastMs")).toISOString(),
    lastMs: int("lastMs"),
    rawBytes: int("rawBytes"),
    jobId: h.job || null,
    replayRunId: h.replayRun || null,
    replay: h.replayRun
      ? { runId: h.replayRun, key: text("replayKey"), generation: int("replayGeneration") || 1 }
      : null,
    supersededAt: int("supersededAt"),
    lastAction: h.action ? { what: h.action as "replay" | "accept", ...action } : null,
  };
}

/** Id of a batch's dead letter, the same in every generation. The dead letter of a bad record is named by its batch's key. */
export const deadLetterIdOf = (runId: string, batch: string): string =>
  isRecordKey(batch) ? batch.slice(RECORD_KEY.length) : `d-${sha256(`${runId}\n${batch}`).slice(0, 24)}`;

const RECORD_KEY = "bad/";
export const recordKey = (letterId: string): string => `${RECORD_KEY}${letterId}`;
export const isRecordKey = (batch: string): boolean => batch.startsWith(RECORD_KEY);
/** In a replay run. Unique there: a dead letter that fails again and is replayed again has another generation. */
export const replayKey = (letterId: string, replays: number): string => `replay/${letterId}/${replays}`;

/** What the failure of a job says about its dead letter. */
export interface Failure {
  error: StoredError;
  class: DeadLetterClass;
  attempts: number;
  jobId: string;
  rawBytes: number;
}

export const classOf = (kind: DeadLetter["kind"], code: string): DeadLetterClass => {
  if (kind === "record") return "bad-record";
  const entry = code in errorCatalog ? errorCatalog[code as keyof typeof errorCatalog] : undefined;
  return entry?.class === "permanent" || entry?.class === "refused" ? "permanent" : "exhausted";
};

/** A failed reason begins with our code; BullMQ's own do not. */
const CODE = /^[A-Z]+_[A-Z_]+/;

/** The failure of a job that BullMQ or a crash failed, read from the job itself. */
export function failureOf({ id, name, attempts, ...job }: FailedJob, rawBytes: number): Failure {
  const reason = job.reason ?? "the job failed";
  const code = CODE.exec(reason)?.[0] ?? "SYS_INTERNAL";
  const usual = classOf(name === "record" ? "record" : "batch", code);
  const unspent = attempts.made < attempts.allowed ? "permanent" : "exhausted";
  const exhausted = /\bstalled\b/i.test(reason) ? "stalled" : unspent;
  return {
    error: { code, message: reason.replace(/^[A-Z]+_[A-Z_]+: /, "") },
    class: usual === "exhausted" ? exhausted : usual,
    attempts: attempts.made,
    jobId: id,
    rawBytes,
  };
}

const MESSAGE_CHARACTERS = 500;

export const failureFields = (failure: Failure): (string | number)[] => [
  ...["code", failure.error.code, "class", failure.class],
  ...["message", failure.error.message.slice(0, MESSAGE_CHARACTERS), "attempts", failure.attempts],
  ...["job", failure.jobId, "rawBytes", failure.rawBytes],
];

/** Everything given must hold; times are those of the last failure, ms. */
export interface IndexFilter {
  code?: string;
  class?: DeadLetterClass;
  state?: DeadLetterState;
  /** Failed last before this. */
  before?: number;
  /** Failed last at this time or later. */
  after?: number;
}

/** Ages become times, by Redis' clock. */
export const toLetterFilter = (
  { code, class: name, state, olderThanMs, newerThanMs }: DeadLetterFilter,
  nowMs: number,
): IndexFilter => ({
  ...(code === undefined ? {} : { code }),
  ...(name === undefined ? {} : { class: name }),
  ...(state === undefined ? {} : { state }),
  ...(olderThanMs === undefined ? {} : { before: nowMs - olderThanMs }),
  ...(newerThanMs === undefined ? {} : { after: nowMs - newerThanMs }),
});

/** A place in the order: newest failure first, then by id downwards. */
export interface IndexPlace {
  ms: number;
  id: string;
}
