/** How far a run is, and how fast; the same figures on the command line and on the dashboard. */
import type { RunProgress } from "./api.ts";

/** How much of the present pass is done, 0–1; undefined while it is unknown. */
export function doneRatio(run: RunProgress): number | undefined {
  if (run.state === "complete") return 1;
  if (run.pass <= 1 && run.expected !== null && run.expected > 0)
    return Math.min(1, run.fetched / run.expected);
  if (run.batchesPlanned > 0) return Math.min(1, run.batchesDone / run.batchesPlanned);
  return undefined;
}

/** Records per second over the last seconds; undefined until there is enough to say so. */
export class Pace {
  readonly #samples: { at: number; fetched: number }[] = [];
  readonly #windowMs: number;

  constructor(windowMs = 15_000) {
    this.#windowMs = windowMs;
  }

  add(fetched: number, at: number): void {
    this.#samples.push({ at, fetched });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > this.#windowMs) this.#samples.shift();
  }

  get perSecond(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at - first.at < 500) return undefined;
    return ((last.fetched - first.fetched) * 1_000) / (last.at - first.at);
  }
}

/** Records per second since the run began; undefined until there is enough to say so. */
export const averagePace = (run: RunProgress): number | undefined =>
  run.durationMs >= 1_000 && run.fetched > 0 ? (run.fetched * 1_000) / run.durationMs : undefined;

/** The paces of the open runs over the last looks at them. */
export class Paces {
  #byRun = new Map<string, Pace>();

  /** @param open all runs that are open; the others are forgotten */
  look(open: readonly RunProgress[], nowMs: number): void {
    this.#byRun = new Map(open.map(({ runId }) => [runId, this.#byRun.get(runId) ?? new Pace()]));
    for (const run of open) this.#byRun.get(run.runId)?.add(run.fetched, nowMs);
  }

  /** Records per second: over the last looks, or since the run began; undefined until there is enough to say so. */
  of(run: RunProgress): number | undefined {
    const perSecond = this.#byRun.get(run.runId)?.perSecond;
    // While a run waits for the rate limit its pace of the last seconds is 0: what it has kept since it began holds.
    return perSecond !== undefined && (perSecond > 0 || run.waiting === null) ? perSecond : averagePace(run);
  }
}
