/** A dead letter as its hash in Redis tells it (see lua/deadLetters.lua), and what a new one is made of. */
import { createHash } from "node:crypto";
import { errorCatalog } from "../../core/errorCatalog.ts";
import type { StoredError } from "../../runs/runRecord.ts";
import type { DeadLetterClass, DeadLetterState } from "./api.ts";

/** job: something in the queue that is none of ours. */
export type DeadLetterKind = "batch" | "record" | "job";

export interface StoredDeadLetter {
  id: string;
  kind: DeadLetterKind;
  class: DeadLetterClass;
  state: DeadLetterState;
  code: string;
  message: string;
  runId: string;
  batch: string;
  subject: string;
  size: number;
  attempts: number;
  replays: number;
  firstFailedAt: string;
  lastFailedAt: string;
  /** The same in ms: its place in the index. */
  lastMs: number;
  rawBytes: number;
  /** In the failed set; empty where it is not. */
  jobId: string;
  /** The replay under way: its run, its batch there, and that batch's generation. */
  replay: { runId: string; key: string; generation: number } | null;
  /** µs at which a good version of the record was fetched; 0 none. */
  supersededAt: number;
  lastAction: { what: "replay" | "accept"; actor: string; at: string; reason: string | null } | null;
}

/** What the failure of a job tells of its dead letter. */
export interface Failure {
  error: StoredError;
  class: DeadLetterClass;
  attempts: number;
  jobId: string;
  rawBytes: number;
}

const MESSAGE_CHARACTERS = 500;

/** Id of a batch's dead letter, the same in every generation. The id of a bad record is made from its content (badRecords.ts). */
const batchDeadLetterId = (runId: string, batch: string): string =>
  `d-${createHash("sha256").update(`${runId}\n${batch}`).digest("hex").slice(0, 24)}`;

/** The dead letter of a bad record is named by its batch's key. */
export const deadLetterIdOf = (runId: string, batch: string): string =>
  batch.startsWith(RECORD_KEY) ? batch.slice(RECORD_KEY.length) : batchDeadLetterId(runId, batch);

const RECORD_KEY = "bad/";
export const recordKey = (letterId: string): string => `${RECORD_KEY}${letterId}`;
export const isRecordKey = (batch: string): boolean => batch.startsWith(RECORD_KEY);
/** In a replay run. Unique there: a dead letter that fails again and is replayed again has another generation. */
export const replayKey = (letterId: string, replays: number): string => `replay/${letterId}/${replays}`;

export const classOf = (kind: DeadLetterKind, code: string): DeadLetterClass => {
  if (kind === "record") return "bad-record";
  const entry = code in errorCatalog ? errorCatalog[code as keyof typeof errorCatalog] : undefined;
  return entry?.class === "permanent" || entry?.class === "refused" ? "permanent" : "exhausted";
};

export const failureFields = (failure: Failure): (string | number)[] => [
  "code",
  failure.error.code,
  "class",
  failure.class,
  "message",
  failure.error.message.slice(0, MESSAGE_CHARACTERS),
  "attempts",
  failure.attempts,
  "job",
  failure.jobId,
  "rawBytes",
  failure.rawBytes,
];

export function toStoredDeadLetter(id: string, h: Record<string, string>): StoredDeadLetter | undefined {
  if (!h.state) return undefined;
  const lastMs = Number(h.lastMs);
  return {
    id,
    kind: h.kind as DeadLetterKind,
    class: h.class as DeadLetterClass,
    state: h.state as DeadLetterState,
    code: h.code ?? "",
    message: h.message ?? "",
    runId: h.run ?? "",
    batch: h.batch ?? "",
    subject: h.subject ?? "",
    size: Number(h.size ?? "0"),
    attempts: Number(h.attempts ?? "0"),
    replays: Number(h.replays ?? "0"),
    firstFailedAt: new Date(Number(h.firstMs)).toISOString(),
    lastFailedAt: new Date(lastMs).toISOString(),
    lastMs,
    rawBytes: Number(h.rawBytes ?? "0"),
    jobId: h.job ?? "",
    replay: h.replayRun
      ? { runId: h.replayRun, key: h.replayKey ?? "", generation: Number(h.replayGeneration ?? "1") }
      : null,
    supersededAt: Number(h.supersededAt ?? "0"),
    lastAction: h.action
      ? {
          what: h.action as "replay" | "accept",
          actor: h.actor ?? "",
          at: h.actionAt ?? "",
          reason: h.reason || null,
        }
      : null,
  };
}
