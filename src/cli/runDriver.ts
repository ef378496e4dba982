/**
 * Opens runs and follows them to their end; shared by `uee run` and `uee demo`. Processes batches in this process
 * when no worker is live, and helps live workers.
 *
 * However it ends (done, timed out, interrupted, Redis lost), the worker is stopped first: its batch commits or
 * returns to the queue, so that the same command continues.
 */
import { setMaxListeners } from "node:events";
import { isUeeError, toUeeError, UeeError } from "../core/errors.ts";
import { orAborted } from "../core/waiting.ts";
import type { Engine, OpenedRun, RunProgress, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";
import { LocalWork } from "../session/localWork.ts";
import {
  asRunError,
  nothingYet,
  outlastingRedis,
  pausedSummary,
  seeThrough,
  summaryOf,
} from "../session/runs.ts";
import { gaveUpWaiting, waitedFor, waitedForRedis } from "../session/waitedFor.ts";
import { type Ending, interruptible, withSession } from "./command.ts";
import type { CliContext, GlobalFlags, Interrupts, Session, SessionRequest } from "./context.ts";
import { makeProgressView, type ProgressView } from "./render/progress.ts";

interface Driving {
  session: Session;
  view: ProgressView;
  interrupts: Interrupts;
}

/** A command that drives runs: a session and a view of their progress, which ends before the result is printed. */
export const withProgress = (
  context: CliContext,
  providers: readonly string[],
  {
    timeUp,
    ...request
  }: Pick<SessionRequest, "redis"> & { flags: GlobalFlags & { json?: boolean }; timeUp?: AbortSignal },
  work: (driving: Driving) => Promise<number>,
): Promise<Ending> =>
  interruptible(context, request.flags, async (interrupts) => {
    const view = await makeProgressView(context, providers);
    const signal = timeUp ? AbortSignal.any([interrupts.signal, timeUp]) : interrupts.signal;
    try {
      return await withSession(context, { ...request, logTo: view.log, signal }, (session) =>
        work({ session, view, interrupts }),
      );
    } finally {
      view.stop();
    }
  });

export interface DriveOptions {
  mode: RunMode;
  allowShrink: boolean;
  /** Author and reason of the request. */
  actor: string;
  reason?: string | undefined;
  allowOlder: boolean;
  /** Reconciliations only; false: only looks. */
  repair?: boolean;
  /** Opens or joins a provider's run; default: asks the engine for one. */
  open?: (provider: string) => Promise<OpenedRun>;
  wait: boolean;
  /** Fires with SYS_WAIT_TIMEOUT when the given time is over. */
  timeUp?: AbortSignal;
  interrupted: AbortSignal;
  view: Pick<ProgressView, "update" | "note">;
}

export interface DriveResult {
  runs: RunSummary[];
  /** False: the runs are opened and left to the workers. */
  waited: boolean;
  timedOut: boolean;
}

export async function driveRuns(
  session: Session,
  providers: readonly string[],
  options: DriveOptions,
): Promise<DriveResult> {
  const { engine } = session;
  const { timeUp = new AbortController().signal } = options;
  const broken = new AbortController();
  const signal = AbortSignal.any([options.interrupted, timeUp, session.lost, broken.signal]);
  // Every run waits on it: Node would warn of a leak.
  setMaxListeners(0, signal);
  const live = await orAborted(signal, engine.liveWorkers());
  const alone = providers.some((name) => !live.some((worker) => worker.providers.includes(name)));
  const waits = options.wait || alone;
  let redisHangs = false;
  const drive = async (): Promise<RunSummary[]> => {
    const runs = await Promise.all(
      providers.map((provider) =>
        driveOne(engine, provider, { ...options, wait: waits, signal }).catch((error: unknown) => {
          // An error such as a lost Redis ends all runs: none waits on in the background.
          broken.abort();
          throw error;
        }),
      ),
    );
    if (session.lost.aborted) throw session.lost.reason;
    redisHangs = timeUp.aborted && runs.some(({ error }) => error?.message.includes(waitedForRedis));
    return runs;
  };
  const work = new LocalWork({ engine, redisIsGone: () => session.lost.aborted || redisHangs });
  const runs = await (waits ? work.help(providers, signal, drive) : drive());
  return { runs, waited: waits, timedOut: timeUp.aborted };
}

async function driveOne(
  engine: Engine,
  provider: string,
  options: DriveOptions & { signal: AbortSignal },
): Promise<RunSummary> {
  const { signal, view, mode, actor, reason, allowShrink, allowOlder } = options;
  let runId = "";
  let newest: RunProgress | undefined;
  try {
    const ask = () =>
      engine.openRunWhenPossible(
        { provider, mode, actor, reason, allowShrink, allowOlder, repair: options.repair },
        {
          signal,
          onWaiting: (open) =>
            view.note(provider, `the open run ${open} ends first, then the ${mode} run opens.`),
        },
      );
    const opened = await orAborted(signal, (options.open ?? ask)(provider));
    runId = opened.runId;
    if (opened.joined) view.note(provider, `joins the open ${opened.mode} run ${runId}.`);
    if (options.wait) {
      const onProgress = (progress: RunProgress) => {
        newest = progress;
        view.update(progress);
      };
      return await seeThrough(engine, provider, runId, { signal, onProgress });
    }
    newest = await orAborted(signal, engine.runProgress(provider, runId));
    return newest.state === "paused"
      ? await pausedSummary(engine, provider, { run: newest })
      : summaryOf(newest);
  } catch (error) {
    if (!signal.aborted && isRedisTrouble(error)) throw mapRedisError(error);
    if (!signal.aborted && isUeeError(error, "PROV_PAUSED")) {
      const known = newest ? { run: newest } : { mode, said: error.detail };
      return await outlastingRedis(signal, () => pausedSummary(engine, provider, known));
    }
    const timeIsUp = options.timeUp?.aborted === true && options.timeUp.reason === signal.reason;
    const failure = timeIsUp
      ? gaveUpWaiting(await waitedFor(engine, provider))
      : signal.aborted
        ? whyStopped(signal)
        : toUeeError(error);
    // The last known state of a run that this command stops waiting for, or could not open.
    const soFar = newest ? summaryOf(newest) : nothingYet(provider, { runId, mode });
    return { ...soFar, state: signal.aborted ? "incomplete" : "failed", error: asRunError(failure) };
  }
}

const whyStopped = ({ reason }: AbortSignal): UeeError =>
  reason instanceof UeeError ? reason : new UeeError("SYS_INTERRUPTED", "Interrupted; the run stays open.");
