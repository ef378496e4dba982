/** Runs seen through to their end, and their summaries for people and scripts. */
import { setTimeout as sleep } from "node:timers/promises";
import { toUeeError } from "../core/errors.ts";
import { orAborted } from "../core/waiting.ts";
import type { Engine, RunError, RunProgress, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { isRedisTrouble } from "../redis/errors.ts";
import { situationWithReason } from "./situation.ts";

export const asRunError = (error: unknown): RunError => {
  const { code, detail, remedy } = toUeeError(error);
  return { code, message: detail, remedy };
};

/** The summary of a run that was requested and of which nothing else is known. It has the contract's fields, in its order. */
export const nothingYet = (
  provider: string,
  { runId, mode }: { runId: string; mode: RunMode },
): RunSummary => ({
  ...{ provider, runId, mode, state: "incomplete" },
  ...{ fetched: 0, created: 0, updated: 0, unchanged: 0, removed: 0, deadLettered: 0 },
  ...{ requests: 0, batches: 0, durationMs: 0, watermark: null, error: null },
});

const contractFields = Object.keys(nothingYet("", { runId: "", mode: "full" })) as (keyof RunSummary)[];

/** Exactly the contract's fields, in its order. */
export const summaryOf = (run: RunSummary): RunSummary =>
  Object.fromEntries(contractFields.map((name) => [name, run[name]])) as unknown as RunSummary;

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

const redisPauseMs = 500;

/** Repeats the work until Redis answers again; the owner of the signal decides when that took too long. */
export async function outlastingRedis<Result>(
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !isRedisTrouble(error)) throw error;
      await sleep(redisPauseMs, undefined, { signal });
    }
  }
}

/**
 * Resolves when the run is closed, or with state `paused`, the reason and who paused, while its provider is paused.
 * Rejects when the signal fires.
 */
export function seeThrough(
  engine: Engine,
  provider: string,
  runId: string,
  { signal, onProgress }: { signal: AbortSignal; onProgress?: (progress: RunProgress) => void },
): Promise<RunSummary> {
  const look = { signal, ...(onProgress ? { onProgress } : {}) };
  const toItsEnd = async (): Promise<RunSummary> => {
    const run = await outlastingRedis(signal, () => engine.waitForRun(provider, runId, look));
    onProgress?.(run);
    if (run.state !== "paused") return summaryOf(run);
    return await outlastingRedis(signal, () => pausedSummary(engine, provider, { run }));
  };
  // A command to Redis may hang: the signal ends the wait all the same.
  return orAborted(signal, toItsEnd());
}
