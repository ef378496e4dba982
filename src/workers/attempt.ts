/** What the steps of every kind of batch share: the begin of an attempt, its errors, and what follows its end. */
import { UeeError } from "../core/errors.ts";
import type { BatchJob } from "../queues/jobCatalog.ts";
import type { Attempt } from "../records/contract.ts";
import { describeDeaths } from "../recovery/deadLetters/batchDeaths.ts";
import type { Begun } from "../runs/batches.ts";
import { addDueJobs } from "../runs/dueJobs.ts";
import type { BatchKind } from "./batchKind.ts";
import { ALONE, type ProviderContext, timed } from "./context.ts";

export type BatchSummary = Record<string, string | number | boolean>;

/** What went wrong in the name of an attempt, so that the batch is marked dead under its fence or not at all. */
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
  kind: BatchKind,
  signal: AbortSignal,
  steps: (attempt: Attempt) => Promise<BatchSummary>,
): Promise<BatchSummary> {
  const { company } = context;
  let weight = 1;
  await company.enter(weight, signal);
  try {
    const begun = await timed(context, () => context.batches.begin(job.runId, job.batch, "batch"));
    if (begun.kind !== "begun") return await skipped(context, job, kind, begun.kind);
    const { attempt } = begun;
    try {
      if (begun.suspected) {
        const { deaths, enough } = await context.deaths.examine(attempt, begun.left);
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
      return await untilTold(context, attempt, signal, () =>
        unlessSuperseded(context, job, kind, attempt, steps),
      );
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

async function unlessSuperseded(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  attempt: Attempt,
  steps: (attempt: Attempt) => Promise<BatchSummary>,
): Promise<BatchSummary> {
  const superseded = await kind.superseded();
  if (superseded === undefined) return await steps(attempt);
  const { outstanding } = await context.batches.checkpoint(attempt, { urn: null, records: 0 });
  await kind.committed();
  await addDueJobs(context, job.runId, [], outstanding);
  return { skipped: superseded };
}

/** The batch has nothing left to do: only the steps after its checkpoint are repeated. */
async function skipped(
  context: ProviderContext,
  job: BatchJob,
  kind: BatchKind,
  why: Exclude<Begun["kind"], "begun">,
): Promise<BatchSummary> {
  if (why === "dead") {
    // The process was killed after the batch was marked dead and before its job reached the failed set: give up again with
    // the stored error.
    const result = await context.batches.result(job.runId, job.batch);
    const { code, message } = result?.error ?? { code: "SYS_INTERNAL", message: "gave up before" };
    throw new MarkedDeadError(code, message);
  }
  if (why === "committed") {
    await kind.committed();
    const statuses = await context.batches.statuses(job.runId);
    const outstanding = [...statuses.values()].filter((status) => status.code === "p").length;
    await addDueJobs(context, job.runId, [], outstanding);
  }
  return { skipped: why };
}

/** The batch is already marked dead; only its job is left to fail. */
export class MarkedDeadError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message.startsWith(code) ? message : `${code}: ${message}`);
    this.name = "MarkedDeadError";
    this.code = code;
  }
}
