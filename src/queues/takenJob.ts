/** A job that a consumer has taken: what it carries, its lock, and how its outcome is reported to BullMQ. */
import { type Job, UnrecoverableError } from "bullmq";
import type { UeeError } from "../core/errors.ts";
import { LOCK_MS } from "./locks.ts";

/** How a job ended. */
export type JobOutcome =
  /** The job completes with a small summary. */
  | { kind: "done"; summary: Record<string, string | number | boolean> }
  /** Spends an attempt. `delayMs`: until the next attempt; absent: the consumer's back-off decides. */
  | { kind: "retry"; delayMs?: number; error: UeeError }
  /** Goes back to waiting, at once (0) or after a delay. Spends no attempt. */
  | { kind: "defer"; delayMs: number }
  /** Goes to the failed set, whatever attempts are left. */
  | { kind: "dead" | "fatal"; error: UeeError }
  /** Nothing is reported: another consumer has the lock, or the lock runs out. */
  | { kind: "abandon" };

/** Carries the wait that was decided to BullMQ's back-off strategy. */
export class RetryError extends Error {
  readonly delayMs: number | undefined;
  constructor({ error, delayMs }: Extract<JobOutcome, { kind: "retry" }>) {
    super(error.message);
    this.delayMs = delayMs;
  }
}

export class TakenJob {
  readonly #job: Job;
  readonly #token: string;

  /** @param token of the lock under which it was taken */
  constructor(job: Job, token: string) {
    this.#job = job;
    this.#token = token;
  }

  get id(): string {
    return this.#job.id as string;
  }

  get name(): string {
    return this.#job.name;
  }

  get data(): unknown {
    return this.#job.data;
  }

  /** Attempts that ended before this one, and how many there may be. */
  get attempts(): { made: number; allowed: number } {
    return { made: this.#job.attemptsMade, allowed: this.#job.opts.attempts ?? 1 };
  }

  /** Tells this copy of the job from another one of the same job. */
  get token(): string {
    return this.#token;
  }

  /** False when the lock is not this copy's any more. */
  async extendLock(): Promise<boolean> {
    return (await this.#job.extendLock(this.#token, LOCK_MS)) === 1;
  }

  /** @throws what Redis or BullMQ answered: the outcome may not be stored */
  async report(outcome: JobOutcome): Promise<void> {
    switch (outcome.kind) {
      case "done":
        await this.#job.moveToCompleted(outcome.summary, this.#token, false);
        break;
      case "retry":
        await this.#job.moveToFailed(new RetryError(outcome), this.#token);
        break;
      case "dead":
      case "fatal":
        await this.#job.moveToFailed(new UnrecoverableError(outcome.error.message), this.#token);
        break;
      case "defer":
        if (outcome.delayMs <= 0) await this.#job.moveToWait(this.#token);
        else await this.#job.moveToDelayed(Date.now() + outcome.delayMs, this.#token);
        break;
      case "abandon":
        break;
    }
  }
}
