/**
 * From a BullMQ job to an outcome: chooses the steps by the job's name, and does what a failure requires (marks the batch
 * dead, fails the run) under the attempt's own fence before it reports the outcome to the queue.
 */
import { toUeeError, UeeError } from "../core/errors.ts";
import { type BatchJob, batchJob } from "../queues/jobCatalog.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { classOf } from "../recovery/deadLetters/deadLetter.ts";
import { mapRedisError } from "../redis/errors.ts";
import { addDueJobs } from "../runs/dueJobs.ts";
import { linkSignals } from "../upstream/abortable.ts";
import { AttemptError, type BatchSummary, MarkedDeadError } from "./attempt.ts";
import type { ProviderContext } from "./context.ts";
import { failRun } from "./finishRun.ts";
import { LOOK_AGAIN_MS } from "./governor.ts";
import { stepsOf } from "./jobSteps.ts";
import { backoffMs, type Outcome, outcomeOf } from "./outcome.ts";
import { refuseWhileMigrating } from "./storeMigration.ts";
import { throughTrouble } from "./trouble.ts";

/** Deferrals that say something of the upstream: the whole provider waits. */
const heldUp = ({ class: of, code }: UeeError): boolean =>
  of === "throttle" || of === "overload" || code === "PROV_CIRCUIT_OPEN";

/** A job that UEE did not make has no batch. */
const batchOf = (job: TakenJob): string => (job.data as Partial<BatchJob> | null)?.batch ?? "";

/** Deferrals shorter than this are not worth a line in `status`. */
const WORTH_SAYING_MS = 1000;

export class BatchProcessor {
  readonly #context: ProviderContext;

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  async process(job: TakenJob, signal: AbortSignal): Promise<void> {
    try {
      const { gate } = this.#context;
      return await throughTrouble({ gate, job, signal, work: () => this.#work(job, signal) });
    } finally {
      this.#context.onStep("settle", "after", batchOf(job));
    }
  }

  async #work(job: TakenJob, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#run(job, signal);
    if (outcome.kind === "done") this.#context.reporter?.countMessage(this.#context.provider.name, false);
    this.#context.onStep("settle", "before", batchOf(job));
    return outcome;
  }

  async #run(job: TakenJob, signal: AbortSignal): Promise<Outcome> {
    const parsed = batchJob.safeParse(job.data);
    const steps = stepsOf[job.name];
    if (!parsed.success || !steps) {
      const error = new UeeError("RPC_JOB_INVALID", `Job ${job.name} of the queue is none of ours.`);
      return { kind: "dead", error };
    }
    try {
      await refuseWhileMigrating(this.#context);
      // The last step of a run works on no batch: it needs no permit.
      const lastAttempt = job.attempts.made + 1 >= job.attempts.allowed;
      const work =
        job.name === "finish"
          ? steps(this.#context, parsed.data, signal, lastAttempt)
          : this.#underPermit(parsed.data, signal, (both) =>
              steps(this.#context, parsed.data, both, lastAttempt),
            );
      return { kind: "done", summary: await work };
    } catch (thrown) {
      return await this.#afterFailure(job, parsed.data, thrown, signal);
    }
  }

  /** Works while the permit is held; a permit that is lost or asked back ends the work at its next safe point. */
  async #underPermit(
    data: BatchJob,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<BatchSummary>,
  ): Promise<BatchSummary> {
    const { governor, reporter } = this.#context;
    const permit = await governor.admit(data.runId, signal, (ms) => reporter?.sample(ms));
    if (permit instanceof UeeError) throw permit;
    const both = linkSignals(signal, permit.signal, permit.windDown);
    try {
      return await work(both.signal);
    } catch (error) {
      // The reason of the abort counts, not what the aborted step throws; the error keeps its attempt.
      if (!both.signal.aborted) throw error;
      const { reason } = both.signal;
      throw error instanceof AttemptError ? new AttemptError(error.attempt, reason) : reason;
    } finally {
      both.unlink();
      permit.release();
    }
  }

  async #afterFailure(job: TakenJob, data: BatchJob, thrown: unknown, signal: AbortSignal): Promise<Outcome> {
    if (thrown instanceof MarkedDeadError) {
      return { kind: "dead", error: new UeeError("PROV_BATCH_DEAD", thrown.message) };
    }
    const attempt = thrown instanceof AttemptError ? thrown.attempt : undefined;
    const cause = thrown instanceof AttemptError ? thrown.cause : thrown;
    // A fault of Redis, not of the batch.
    if (!signal.aborted && this.#context.gate.met(cause)) throw cause;
    // The reason of the abort counts, not what the aborted step throws.
    const error = signal.aborted ? toUeeError(signal.reason) : toUeeError(mapRedisError(cause));
    const outcome = outcomeOf(error, job.attempts);
    this.#say(data, outcome, cause);
    const failed = outcome.kind !== "defer" && outcome.kind !== "abandon";
    this.#context.reporter?.countMessage(this.#context.provider.name, failed);
    if (outcome.kind === "retry") {
      const { attempt: failed, attempts } = outcome;
      const delayMs = backoffMs(failed, this.#context.waitScale);
      const { code, detail: message } = error;
      const note = { batch: data.batch, code, message, attempt: failed, attempts, delayMs };
      await this.#context.batches.noteRetry(data.runId, note);
      return { ...outcome, delayMs };
    }
    if (outcome.kind === "defer") {
      const { delayMs } = outcome;
      if (heldUp(error)) await this.#context.governor.backOff(delayMs, error.message);
      if (delayMs >= WORTH_SAYING_MS) {
        await this.#context.runs.noteWaiting(data.runId, error.message, delayMs);
      }
    }
    // A breaker may be closed before its time: the provider waits as long as it must, its batches come to ask now and then.
    if (outcome.kind === "defer" && error.code === "PROV_CIRCUIT_OPEN") {
      return { ...outcome, delayMs: Math.min(outcome.delayMs, LOOK_AGAIN_MS) };
    }
    if (!attempt || (outcome.kind !== "dead" && outcome.kind !== "fatal")) return outcome;
    if (job.name !== "finish")
      await this.#markDead(job, data, attempt.fence, { error, fatal: outcome.kind === "fatal" });
    if (job.name === "finish" || outcome.kind === "fatal") await failRun(this.#context, attempt, error);
    return outcome;
  }

  /** Under the attempt's fence: the batch is dead in its run and among the dead letters before the outcome is reported to the queue. */
  async #markDead(
    job: TakenJob,
    data: BatchJob,
    fence: number,
    { error, fatal }: { error: UeeError; fatal: boolean },
  ): Promise<void> {
    const { deadLetters, badRecords, governor } = this.#context;
    const kind = job.name === "record" ? "record" : "batch";
    const { facts, rawBytes } = await badRecords.of({ kind, payload: data.payload });
    const marked = await deadLetters.markBatchDead(
      data.runId,
      {
        ...{ key: data.batch, kind, size: data.size, subject: facts?.id ?? data.batch },
        ...(data.letter ? { letter: data.letter } : {}),
      },
      fence,
      {
        error: { code: error.code, message: error.detail },
        class: fatal ? "permanent" : classOf(kind, error.code),
        attempts: job.attempts.made + 1,
        jobId: job.id,
        rawBytes,
      },
    );
    await governor.watchDeadLetters(marked);
    if (fatal) return;
    const latest = [{ code: error.code, message: error.detail }];
    // A bad record was counted when it was met; a fence is the time at which its attempt began.
    const counted =
      kind === "record"
        ? { records: 0, receivedAt: facts?.fetchedAt ?? fence }
        : { records: data.size, receivedAt: fence };
    await governor.watchErrors(data.runId, latest, counted);
    await addDueJobs(this.#context, data.runId, [], marked.outstanding);
  }

  #say(data: BatchJob, outcome: Outcome, cause: unknown): void {
    if (outcome.kind === "done") return;
    const line = {
      event: `batch_${outcome.kind}`,
      provider: data.provider,
      runId: data.runId,
      batch: data.batch,
      code: outcome.error.code,
      ...(outcome.kind === "defer" ? { delayMs: outcome.delayMs } : {}),
      ...(outcome.error.code === "SYS_INTERNAL" ? { err: cause } : {}),
    };
    const level = outcome.kind === "dead" || outcome.kind === "fatal" ? "error" : "info";
    this.#context.logger[level](line, outcome.error.message);
  }
}
