/** Sees an open run through to its end, across a Redis that is away for a while; and works on it in this process. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, RunProgress, RunSummary } from "../engine/api.ts";
import { isRedisTrouble } from "../redis/errors.ts";
import { pausedSummary, summaryOf } from "./runSummaries.ts";
import { orAborted, within } from "./within.ts";

const stopDeadlineMs = 10_000;
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

export interface WorkHere {
  /** The worker's. */
  readonly id: string;
  /** The batch at work commits or goes back, so that others go on. Without Redis nothing can be handed back. */
  stop(options?: { redisIsGone?: boolean }): Promise<void>;
}

/** Takes batches of these providers in this process; the queue `runs` and the schedules are left to services. */
export async function workHere(engine: Engine, providers: readonly string[]): Promise<WorkHere> {
  const worker = await engine.startWorker({ providers: [...providers] });
  return {
    id: worker.id,
    async stop({ redisIsGone = false } = {}) {
      // Leases and locks run out by themselves.
      const deadlineMs = redisIsGone ? 0 : stopDeadlineMs;
      await within(deadlineMs + 1_000, worker.stop({ deadlineMs }));
    },
  };
}
