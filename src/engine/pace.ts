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
