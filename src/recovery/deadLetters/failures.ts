/** The failure of a job that BullMQ or a crash failed, read from the job itself. */
import type { FailedJob } from "../../queues/providerQueue.ts";
import { classOf, type DeadLetterKind, type Failure } from "./deadLetter.ts";

/** A failed reason begins with our code; BullMQ's own do not. */
const CODE = /^[A-Z]+_[A-Z_]+/;

const STALLED = /\bstalled\b/i;

export function failureOf(job: FailedJob, rawBytes: number): Failure {
  const reason = job.reason ?? "the job failed";
  const code = CODE.exec(reason)?.[0] ?? "SYS_INTERNAL";
  const kind: DeadLetterKind = job.name === "record" ? "record" : "batch";
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
