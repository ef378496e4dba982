/** A run's summary as people and scripts get it: of one that ended, one that never began, one that a pause holds. */
import { toUeeError } from "../core/errors.ts";
import type { Engine, RunError, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { situationWithReason } from "./situation.ts";

export const asRunError = (error: unknown): RunError => {
  const { code, detail, remedy } = toUeeError(error);
  return { code, message: detail, remedy };
};

/** Exactly the contract's fields, in its order. */
export const summaryOf = (run: RunSummary): RunSummary => ({
  provider: run.provider,
  runId: run.runId,
  mode: run.mode,
  state: run.state,
  fetched: run.fetched,
  created: run.created,
  updated: run.updated,
  unchanged: run.unchanged,
  removed: run.removed,
  deadLettered: run.deadLettered,
  requests: run.requests,
  batches: run.batches,
  durationMs: run.durationMs,
  watermark: run.watermark,
  error: run.error,
});

/** The summary of a run that was requested and of which nothing else is known. */
export const nothingYet = (
  provider: string,
  { runId, mode }: { runId: string; mode: RunMode },
): RunSummary => ({
  provider,
  runId,
  mode,
  state: "incomplete",
  fetched: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  removed: 0,
  deadLettered: 0,
  requests: 0,
  batches: 0,
  durationMs: 0,
  watermark: null,
  error: null,
});

/**
 * The summary for a paused provider: how far its open run is, who paused it and why. `known` is what the caller saw of
 * the run, `said` the message of the refusal, for the case that a person resumed meanwhile.
 */
export async function pausedSummary(
  engine: Engine,
  provider: string,
  known: { run: RunSummary } | { mode: RunMode; said: string },
): Promise<RunSummary> {
  const { providers, at } = await engine.status();
  const now = providers.find((one) => one.provider === provider);
  const run =
    "run" in known ? known.run : (now?.openRun ?? nothingYet(provider, { runId: "", mode: known.mode }));
  const said = "run" in known ? (known.run.error?.message ?? "The provider was paused.") : known.said;
  const why = now?.machine.state === "PAUSED" ? situationWithReason(now.machine, Date.parse(at)) : undefined;
  return {
    ...summaryOf(run),
    state: "paused",
    error: {
      code: "PROV_PAUSED",
      message: why === undefined ? said : `${provider} was ${why}`,
      remedy: `\`uee resume ${provider}\` goes on from the checkpoint.`,
    },
  };
}
