/**
 * Opens runs and sees them through: what `uee run` and `uee demo` share. Works in this process when nobody else does,
 * and helps when somebody does.
 *
 * However it ends (done, timed out, interrupted, Redis lost) the worker is stopped first: its batch commits or goes
 * back, so that the same command continues.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isUeeError, toUeeError, UeeError } from "../core/errors.ts";
import type { Engine, RunProgress, RunSummary } from "../engine/api.ts";
import type { RunMode } from "../providers/contract.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";
import { asRunError } from "./failures.ts";
import type { ProgressView } from "./progressView.ts";
import { nothingYet, pausedSummary, summaryOf } from "./runSummaries.ts";
import type { Session } from "./sessionTypes.ts";
import { within } from "./within.ts";

export interface DriveOptions {
  mode: RunMode;
  allowShrink: boolean;
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

const stopDeadlineMs = 10_000;
const redisPauseMs = 500;

export async function driveRuns(
  session: Session,
  providers: readonly string[],
  options: DriveOptions,
): Promise<DriveResult> {
  const { engine } = session;
  const alone = (await engine.liveWorkers()).length === 0;
  const waits = options.wait || alone;
  const timer = new AbortController();
  const timeout =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => timer.abort(new UeeError("SYS_WAIT_TIMEOUT")), options.timeoutMs);
  const broken = new AbortController();
  const signal = AbortSignal.any([options.interrupted, timer.signal, session.lost, broken.signal]);
  const worker = waits ? await engine.startWorker({ providers: [...providers] }) : undefined;
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
    // Without Redis nothing can be handed back: leases and locks run out by themselves.
    const deadlineMs = session.lost.aborted ? 0 : stopDeadlineMs;
    if (worker) await within(deadlineMs + 1_000, worker.stop({ deadlineMs }));
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
      { provider, mode: options.mode, allowShrink: options.allowShrink, actor: "cli" },
      {
        signal,
        onWaiting: (open) =>
          options.say(`${provider}: the open run ${open} ends first, then the full run opens.`),
      },
    );
    runId = opened.runId;
    if (opened.joined) options.say(`${provider}: joins the open ${opened.mode} run ${runId}.`);
    if (options.wait) {
      newest = await outlastingRedis(signal, () =>
        engine.waitForRun(provider, runId, {
          signal,
          onProgress: (progress) => {
            newest = progress;
            view.update(progress);
          },
        }),
      );
      view.update(newest);
    } else newest = await engine.runProgress(provider, runId);
    if (newest.state !== "paused") return summaryOf(newest);
    const run = newest;
    return await outlastingRedis(signal, () => pausedSummary(engine, provider, { run }));
  } catch (error) {
    if (!signal.aborted && isRedisTrouble(error)) throw mapRedisError(error);
    if (!signal.aborted && isUeeError(error, "PROV_PAUSED")) {
      const known = newest ? { run: newest } : { mode: options.mode, said: error.detail };
      return await outlastingRedis(signal, () => pausedSummary(engine, provider, known));
    }
    return unfinished(provider, { runId, mode: options.mode, newest, signal, error });
  }
}

/** A Redis that is away in mid-run is waited for; the session's `lost` signal says when that was too long. */
async function outlastingRedis<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !isRedisTrouble(error)) throw error;
      await sleep(redisPauseMs, undefined, { signal });
    }
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
