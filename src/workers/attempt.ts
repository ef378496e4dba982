/** What the steps of every kind of batch share: how an attempt begins, is told apart when it fails, and what it owes at its end. */
import { UeeError } from "../core/errors.ts";
import { formatUrn } from "../core/urn.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import { describeDeaths } from "../recovery/deadLetters/batchDeaths.ts";
import type { BatchEntry } from "../runs/runs.ts";
import { ALONE, type ProviderContext, timed } from "./context.ts";
import { settleReplayed } from "./replayed.ts";

export type BatchSummary = Record<string, string | number | boolean>;

/** After a checkpoint: the jobs it made due. A crash before this is the reconciler's. */
export async function enqueueDue(
  context: ProviderContext,
  runId: string,
  entries: BatchEntry[],
  outstanding: number,
): Promise<void> {
  await context.queue.addBatches(runId, entries);
  if (outstanding > 0) return;
  const run = await context.runs.read(runId);
  if (run && run.state !== "closed") {
    await context.queue.addFinish(runId, run.pass, run.round, run.finishGeneration);
  }
}

export const urnOf = (context: ProviderContext, id: string): string =>
  formatUrn({ authority: context.provider.authority, type: context.provider.name, id });

/** What went wrong in the name of an attempt, so that the burial happens under its fence or not at all. */
export class AttemptError extends Error {
  readonly attempt: Attempt;
  constructor(attempt: Attempt, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "AttemptError";
    this.attempt = attempt;
  }
}

/**
 * Begins an attempt at a batch and does its steps in its name. A batch that had a process at work which died works alone in
 * this one, and not at all when that happened too often.
 */
export async function inAttempt(
  context: ProviderContext,
  job: BatchJob,
  signal: AbortSignal,
  steps: (attempt: Attempt) => Promise<BatchSummary>,
): Promise<BatchSummary> {
  const { company } = context;
  let weight = 1;
  await company.enter(weight, signal);
  try {
    const begun = await timed(context, () => context.runs.begin(job.runId, job.batch, "batch"));
    if (begun.kind !== "begun") return await skipped(context, job, begun.kind);
    const { attempt } = begun;
    try {
      if (begun.suspected) {
        const { deaths, enough } = await context.deaths.judge(attempt, begun.left);
        if (enough) {
          const said = `${deaths.length} processes died while they worked on it: ${describeDeaths(deaths)}.`;
          throw new UeeError("RPC_BATCH_KILLS_WORKER", said);
        }
        if (deaths.length > 0) {
          context.logger.warn(
            { event: "batch_suspected", runId: job.runId, batch: job.batch, deaths: deaths.length },
            `a process died while it worked on this batch (${describeDeaths(deaths)}): it works alone now`,
          );
          company.leave(weight);
          weight = 0;
          await company.enter(ALONE, signal);
          weight = ALONE;
        }
        await context.deaths.start(attempt);
      }
      return await untilTold(context, attempt, signal, steps);
    } catch (error) {
      throw new AttemptError(attempt, error);
    }
  } finally {
    if (weight > 0) company.leave(weight);
  }
}

/** From the moment it is told to end, the end of its process says nothing of the batch. */
async function untilTold(
  { deaths }: ProviderContext,
  attempt: Attempt,
  signal: AbortSignal,
  steps: (attempt: Attempt) => Promise<BatchSummary>,
): Promise<BatchSummary> {
  // Redis may be away: then the mark stays, and counts for nothing as long as this process lives.
  const end = () => deaths.end(attempt).catch(() => undefined);
  signal.addEventListener("abort", end, { once: true });
  try {
    return await steps(attempt);
  } catch (error) {
    await end();
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** A replay that has nothing left to do is done: its letter is settled. */
export async function nothingToDo(
  context: ProviderContext,
  job: BatchJob,
  attempt: Attempt,
  why: string,
): Promise<BatchSummary> {
  const { outstanding } = await context.runs.checkpoint(
    attempt,
    { urn: null, records: 0 },
    { newest: null, more: [], changeKey: null, fetchedAt: 0 },
  );
  await settleReplayed(context, job);
  await enqueueDue(context, job.runId, [], outstanding);
  return { skipped: why };
}

/** A first generation of an ordinary batch was never replayed. */
export const mayBeReplay = (job: BatchJob): boolean => job.letter !== undefined || job.generation > 1;

/** The batch has nothing left to do; what its job still owes is done. */
async function skipped(context: ProviderContext, job: BatchJob, kind: string): Promise<BatchSummary> {
  if (kind === "dead") {
    // Killed between the burial and the failed set: give up again, with what was noted then.
    const result = await context.runs.result(job.runId, job.batch);
    const { code, message } = result?.error ?? { code: "SYS_INTERNAL", message: "gave up before" };
    throw new BuriedError(code, message);
  }
  if (kind === "committed") {
    if (mayBeReplay(job)) await settleReplayed(context, job);
    const statuses = await context.runs.statuses(job.runId);
    const outstanding = [...statuses.values()].filter((status) => status.letter === "p").length;
    await enqueueDue(context, job.runId, [], outstanding);
  }
  return { skipped: kind };
}

/** The batch is already marked dead; only its job is left to fail. */
export class BuriedError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message.startsWith(code) ? message : `${code}: ${message}`);
    this.name = "BuriedError";
    this.code = code;
  }
}
