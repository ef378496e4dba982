/** What BullMQ throws when a job is not as an operation expects it. */
import { fromForeign, toUeeError, type UeeError } from "../core/errors.ts";
import type { ForeignTable } from "../core/foreignErrors.ts";

export const bullmqErrors: ForeignTable = {
  library: "BullMQ",
  patterns: [
    { when: { message: /^Missing lock for job |^Lock mismatch for job / }, as: "RPC_LOCK_LOST", says: "{}." },
    { when: { message: /^could not renew lock for job / }, as: "RPC_LOCK_LOST", says: "{}." },
    // Another worker got the job and moved it on.
    { when: { message: /^Job \S+ is not in the \S+ state/ }, as: "RPC_LOCK_LOST", says: "{}." },
    { when: { message: /^Missing key for (parent )?job / }, as: "RPC_JOB_GONE", says: "{}." },
  ],
};

/** Maps what a call to a queue threw, unless it is one of Redis' own errors (redis/errors.ts). */
export const mapQueueError = (error: unknown): UeeError =>
  fromForeign(error, bullmqErrors) ?? toUeeError(error);
