/** Runs for scripts: opened or joined, watched, waited for, and worked on in this process while no worker is live. */
import { isUeeError, UeeError } from "../core/errors.ts";
import type { Engine, RunProgress, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";
import type { LocalWork } from "../session/localWork.ts";
import { pausedSummary, seeThrough } from "../session/runs.ts";
import { gaveUpWaiting, waitedFor } from "../session/waitedFor.ts";

export interface RunOptions {
  /** Default incremental; on a store that was never verified a run is full whatever is asked. */
  mode?: RunMode;
  /** Accept that the upstream lost more than 5 % of its records. */
  allowShrink?: boolean;
  /** Accept a catalogue that is older than the edition in the store. */
  allowOlder?: boolean;
  /** Kept with the run's transition. */
  reason?: string;
  /** Calls off the wait for an open increment that a full run must let end first. */
  signal?: AbortSignal;
}

export interface WaitOptions {
  /** Called with every look, about four times a second. */
  onProgress?: (progress: RunProgress) => void;
  /** Rejects with SYS_INTERRUPTED; the run stays open and goes on wherever workers live. */
  signal?: AbortSignal;
  /** Rejects with SYS_WAIT_TIMEOUT after so many ms, and says what was waited for; the run stays open. */
  timeoutMs?: number;
}

export interface RunHandle {
  readonly provider: string;
  readonly runId: string;
  readonly mode: RunMode;
  /** The run was open already. */
  readonly joined: boolean;
  progress(): Promise<RunProgress>;
  /**
   * Resolves when the run is closed, or with state `paused` and the reason while its provider is paused. While no live
   * worker takes this provider's batches, this process does.
   */
  wait(options?: WaitOptions): Promise<RunSummary>;
}

/** Runs of several providers at once. */
export interface RunsHandle {
  readonly runs: readonly RunHandle[];
  /** Paused providers, with state `paused`: no run was opened or joined for them. */
  readonly refused: readonly RunSummary[];
  progress(): Promise<RunProgress[]>;
  /** Resolves when all of them are over, in the order of `runs`; those refused come last. */
  wait(options?: WaitOptions): Promise<RunSummary[]>;
}

export interface RunsContext {
  engine: Engine;
  work: LocalWork;
  actor: string;
  /** Fires when Redis stayed away for too long, or the client was closed; its reason is the error. */
  ended: AbortSignal;
}

/** @throws UeeError PROV_PAUSED, PROV_UNKNOWN, SYS_INTERRUPTED */
export async function openRun(
  context: RunsContext,
  provider: string,
  options: RunOptions,
): Promise<RunHandle> {
  const { engine, work, actor, ended } = context;
  const { mode = "incremental", allowShrink = false, allowOlder = false, reason } = options;
  const signal = options.signal ? AbortSignal.any([options.signal, ended]) : ended;
  const request = { provider, mode, allowShrink, allowOlder, actor, reason };
  if (signal.aborted) throw whyEnded(context);
  try {
    return handleOf(context, provider, await engine.openRun(request));
  } catch (error) {
    if (!isUeeError(error, "PROV_RUN_OPEN")) throw error;
  }
  // The open increment must end first: this process works on it while no live worker does.
  try {
    const opened = await work.during(provider, () => engine.openRunWhenPossible(request, { signal }));
    return handleOf(context, provider, opened);
  } catch (error) {
    throw signal.aborted ? whyEnded(context) : error;
  }
}

/** A provider that is paused holds up none of the others. */
export async function openRuns(
  context: RunsContext,
  providers: readonly string[],
  options: RunOptions,
): Promise<RunsHandle> {
  const runs: RunHandle[] = [];
  const refused: RunSummary[] = [];
  await Promise.all(
    providers.map(async (provider) => {
      try {
        runs.push(await openRun(context, provider, options));
      } catch (error) {
        if (!isUeeError(error, "PROV_PAUSED")) throw error;
        const known = { mode: options.mode ?? "incremental", said: error.detail };
        refused.push(await pausedSummary(context.engine, provider, known));
      }
    }),
  );
  const place = ({ provider }: { provider: string }) => providers.indexOf(provider);
  return runsHandle(
    runs.sort((a, b) => place(a) - place(b)),
    refused,
  );
}

function handleOf(
  context: RunsContext,
  provider: string,
  opened: { runId: string; joined: boolean; mode: RunMode },
): RunHandle {
  const { engine, work } = context;
  const { runId, joined, mode } = opened;
  return {
    provider,
    runId,
    mode,
    joined,
    progress: () =>
      engine.runProgress(provider, runId).catch((error: unknown) => {
        throw mapRedisError(error);
      }),
    wait: (options = {}) =>
      waiting({ ...context, provider }, options, (signal) =>
        work.during(provider, () => seeThrough(engine, provider, runId, { ...options, signal })),
      ),
  };
}

const runsHandle = (runs: readonly RunHandle[], refused: readonly RunSummary[]): RunsHandle => ({
  runs,
  refused,
  progress: () => Promise.all(runs.map((run) => run.progress())),
  async wait(options = {}) {
    // What ends one wait (a signal, a lost Redis) ends all: no wait goes on in the background.
    const over = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal;
    try {
      return [...(await Promise.all(runs.map((run) => run.wait({ ...options, signal })))), ...refused];
    } finally {
      over.abort();
    }
  },
});

async function waiting(
  context: RunsContext & { provider: string },
  { signal: callers, timeoutMs }: WaitOptions,
  work: (signal: AbortSignal) => Promise<RunSummary>,
): Promise<RunSummary> {
  const time = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          // Asked before the wait ends: what works here now is part of the answer.
          void waitedFor(context.engine, context.provider).then((clause) =>
            time.abort(gaveUpWaiting(clause)),
          );
        }, timeoutMs);
  const signal = AbortSignal.any([time.signal, context.ended, ...(callers ? [callers] : [])]);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted) throw time.signal.aborted ? time.signal.reason : whyEnded(context);
    throw isRedisTrouble(error) ? mapRedisError(error) : error;
  } finally {
    clearTimeout(timer);
  }
}

const whyEnded = ({ ended }: RunsContext): UeeError =>
  ended.aborted
    ? (ended.reason as UeeError)
    : new UeeError("SYS_INTERRUPTED", "Interrupted; the run stays open.");
