/** What the steps of a batch work with, per provider. Built once per process by the engine. */

import type { Fetcher } from "../core/fetching.ts";
import type { Logger } from "../core/logger.ts";
import type { WeightedGate } from "../core/semaphore.ts";
import type { LoadReporter } from "../permits/optimizer/loadReporter.ts";
import type { BatchDeaths } from "../recovery/deadLetters/batchDeaths.ts";
import type { DeadLetterParts } from "../recovery/deadLetters/parts.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { FileLists } from "../runs/fileLists.ts";
import type { Governor } from "./governor.ts";
import type { AdaptivePageSize } from "./pageSize.ts";

/** Does a control operation and reports its duration, where there is a reporter. */
export const timed = <T>(
  context: Pick<ProviderContext, "reporter">,
  operation: () => Promise<T>,
): Promise<T> => (context.reporter ? context.reporter.timed(operation) : operation());

/** The weight of a batch that fills the gate `company` by itself. */
export const ALONE = 1_000_000;

/** The named steps of a batch and of a run's end. */
export type StepName = "fetch" | "commit" | "checkpoint" | "settle" | "verify" | "remove" | "close";

/** Called around every step, synchronously. For observers: it decides nothing. */
export type StepObserver = (step: StepName, phase: "before" | "after", batch: string) => void;

export interface UpstreamHandle {
  fetcher(options: { signal: AbortSignal; logger: Logger; onRequest: () => Promise<number> }): Fetcher;
}

export interface ProviderContext extends DeadLetterParts {
  /** Effective address of the upstream. */
  url: string;
  apiKey: string | undefined;
  upstream: UpstreamHandle;
  /** The upstream's feeds, an upstream of their own; undefined where they are off. */
  feeds: { url: string; upstream: UpstreamHandle } | undefined;
  fileLists: FileLists;
  /** Shut while Redis is in trouble: nothing is fetched. One for all providers of this process. */
  gate: TroubleGate;
  /** Processes that died at work, by batch. */
  deaths: BatchDeaths;
  governor: Governor;
  /** The reporter of this context's worker: durations of control operations, and messages that ended. */
  reporter: LoadReporter | undefined;
  /** Records fetched and not yet committed, over all providers of that worker. */
  buffer: { records: number };
  /** What the provider's last batch weighed, bytes: the best guess for the next one. */
  lastWeight: { bytes: number };
  pageSize: AdaptivePageSize;
  /** One batch fetches while another one works: two lanes of width one make the prefetch. */
  fetchLane: WeightedGate;
  workLane: WeightedGate;
  /** Batches at work in this process, over all providers; one of weight ALONE has no company. */
  company: WeightedGate;
  /** Bytes fetched and not yet committed, over all providers of this process. */
  budget: WeightedGate;
  /** Multiplies throttle waits, retry and back-off delays. */
  waitScale: number;
  onStep: StepObserver;
}
