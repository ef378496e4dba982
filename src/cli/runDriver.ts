/**
 * Opens runs and sees them through: what `uee run` and `uee demo` share. Works in this process when nobody else does,
 * and helps when somebody does.
 *
 * However it ends (done, timed out, interrupted, Redis lost) the worker is stopped first: its batch commits or goes
 * back, so that the same command continues.
 */
import { isUeeError, toUeeError, UeeError } from "../core/errors.ts";
import type { Engine, RunProgress, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";
import { asRunError, nothingYet, pausedSummary, summaryOf } from "../session/runSummaries.ts";
import { outlastingRedis, seeThrough, workHere } from "../session/seeThrough.ts";
import type { ProgressView } from "./progressView.ts";
import type { Session } from "./sessionTypes.ts";

export interface DriveOptions {
  mode: RunMode;
  allowShrink: boolean;
  /** Who asks, and why. */
  actor: string;
  reason?: string | undefined;
  allowOlder: boolean;
  wait: boolean;
  timeoutMs?: number | undefined;
  interrupted: AbortSignal;
  view: ProgressView;
  say: (line: string) => void;
}

export interface DriveResult {
  runs: RunSummary[];
  /** False: the runs were opened and left to the workers. */
  waited: boolean;
  timedOut: boolean;
}

export async function driveRuns(
  session: Session,
  providers: readonly string[],
  options: DriveOptions,
): Promise<DriveResult> {
  const { engine } = session;
  const live = await engine.liveWorkers();
  const alone = providers.some((name) => !live.some((worker) => worker.providers.includes(name)));
  const waits = options.wait || alone;
  const timer = new AbortController();
  const timeout =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => timer.abort(new UeeError("SYS_WAIT_TIMEOUT")), options.timeoutMs);
  const broken = new AbortController();
  const signal = AbortSignal.any([options.interrupted, timer.signal, session.lost, broken.signal]);
  const worker = waits ? await workHere(engine, providers) : undefined;
  try {
    const runs = await Promise.all(
      providers.map((provider) =>
        driveOne(engine, provider, { ...options, wait: waits, signal }).catch((error: unknown) => {
          // What ends one this way (Redis is gone) ends all: nobody waits on in the background.
          broken.abort();
          throw error;
        }),
      ),
    );
    if (session.lost.aborted) throw session.lost.reason;
    return { runs, waited: waits, timedOut: timer.signal.aborted };
  } finally {
    clearTimeout(timeout);
    await worker?.stop({ redisIsGone: session.lost.aborted });
  }
}

async function driveOne(
  engine: Engine,
  provider: string,
  options: DriveOptions & { signal: AbortSignal },
): Promise<RunSummary> {
  const { signal, view } = options;
  let runId = "";
  let newest: RunProgress | undefined;
  try {
    const opened = await engine.openRunWhenPossible(
      {
        ...{ provider, mode: options.mode, actor: options.actor },
        ...{ allowShrink: options.allowShrink, allowOlder: options.allowOlder },
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      },
      {
        signal,
        onWaiting: (open) =>
          options.say(`${provider}: the open run ${open} ends first, then the ${options.mode} run opens.`),
      },
    );
    runId = opened.runId;
    if (opened.joined) options.say(`${provider}: joins the open ${opened.mode} run ${runId}.`);
    if (options.wait) {
      const onProgress = (progress: RunProgress) => {
        newest = progress;
        view.update(progress);
      };
      return await seeThrough(engine, provider, runId, { signal, onProgress });
    }
    newest = await engine.runProgress(provider, runId);
    return newest.state === "paused"
      ? await pausedSummary(engine, provider, { run: newest })
      : summaryOf(newest);
  } catch (error) {
    if (!signal.aborted && isRedisTrouble(error)) throw mapRedisError(error);
    if (!signal.aborted && isUeeError(error, "PROV_PAUSED")) {
      const known = newest ? { run: newest } : { mode: options.mode, said: error.detail };
      return await outlastingRedis(signal, () => pausedSummary(engine, provider, known));
    }
    return unfinished(provider, { runId, mode: options.mode, newest, signal, error });
  }
}

/** The state so far of a run that this command stops waiting for, or could not even open. */
function unfinished(
  provider: string,
  {
    runId,
    mode,
    newest,
    signal,
    error,
  }: {
    runId: string;
    mode: RunMode;
    newest: RunProgress | undefined;
    signal: AbortSignal;
    error: unknown;
  },
): RunSummary {
  const failure = signal.aborted ? whyStopped(signal) : toUeeError(error);
  const soFar = newest ? summaryOf(newest) : nothingYet(provider, { runId, mode });
  return { ...soFar, state: signal.aborted ? "incomplete" : "failed", error: asRunError(failure) };
}

const whyStopped = ({ reason }: AbortSignal): UeeError =>
  reason instanceof UeeError ? reason : new UeeError("SYS_INTERRUPTED", "Interrupted; the run stays open.");
