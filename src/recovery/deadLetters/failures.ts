/** What a failed job tells of its failure, where nobody was there to say it. */
import type { FailedJob } from "../../queues/providerQueue.ts";
import { classOf, type Failure, type LetterKind } from "./deadLetter.ts";

/** A failed reason begins with our code; BullMQ's own do not. */
const CODE = /^[A-Z]+_[A-Z_]+/;

const STALLED = /\bstalled\b/i;

export function failureOf(job: FailedJob, rawBytes: number): Failure {
  const reason = job.reason ?? "the job failed";
  const code = CODE.exec(reason)?.[0] ?? "SYS_INTERNAL";
  const kind: LetterKind = job.name === "record" ? "record" : "batch";
  const spent = job.attempts.made >= job.attempts.allowed;
  const usual = classOf(kind, code);
  return {
    error: { code, message: reason.replace(/^[A-Z]+_[A-Z_]+: /, "") },
    class:
      STALLED.test(reason) && usual === "exhausted"
        ? "stalled"
        : spent || usual !== "exhausted"
          ? usual
          : "permanent",
    attempts: job.attempts.made,
    jobId: job.id,
    rawBytes,
  };
}
