/** What a hunt cost: figures out of a history, beside the verdict. */
import type { HistoryEvent } from "../history.ts";

export interface Figures {
  /** Batches that wrote or marked records, and those that did so under more than one fence. */
  batches: number;
  batchesTwice: number;
  /** Records written or marked, and how often one was so again by a later attempt at the same batch. */
  records: number;
  recordsAgain: number;
  requests: number;
  /** Answers that told the fleet to wait. */
  toldToWait: number;
  /** Requests that came while the fleet knew that it had to wait. */
  whileTold: number;
  /** For each worker that was told to stop: from SIGTERM to the end of its process, ms. */
  drains: number[];
  /** SIGKILL of a worker. */
  kills: number;
  runsClosed: number;
}

export function figuresOf(events: readonly HistoryEvent[], whileTold: number): Figures {
  const fencesOf = new Map<string, Set<string>>();
  const recordsOf = new Map<string, Map<string, string>>();
  const figures: Figures = {
    ...{ batches: 0, batchesTwice: 0, records: 0, recordsAgain: 0, requests: 0, toldToWait: 0 },
    ...{ whileTold, drains: [], kills: 0, runsClosed: 0 },
  };
  for (const event of events) {
    if (event.k === "request") {
      figures.requests++;
      if (event.r.retryAfter > 0) figures.toldToWait++;
    } else if (event.k === "drained" && event.code !== null) figures.drains.push(event.ms);
    else if (event.k === "worker" && event.what === "ended" && event.how === "SIGKILL") figures.kills++;
    else if (event.k === "fx" && event.e.fx === "run" && event.e.set.state === "closed") figures.runsClosed++;
    else if (event.k === "fx" && event.e.fx === "seen") {
      const { by, run, marks } = event.e;
      const batch = `${run}/${by?.batch}`;
      const fence = by?.fence ?? "";
      const fences = fencesOf.get(batch) ?? new Set();
      fencesOf.set(batch, fences.add(fence));
      const records = recordsOf.get(batch) ?? new Map<string, string>();
      recordsOf.set(batch, records);
      for (const [id] of marks) {
        const before = records.get(id);
        if (before === undefined) figures.records++;
        else if (before !== fence) figures.recordsAgain++;
        records.set(id, fence);
      }
    }
  }
  figures.batches = fencesOf.size;
  figures.batchesTwice = [...fencesOf.values()].filter(({ size }) => size > 1).length;
  return figures;
}

export function figuresLine(figures: Figures): string {
  const share = (part: number, whole: number): string =>
    `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
  const { batches, batchesTwice, records, recordsAgain, requests, runsClosed, kills, toldToWait } = figures;
  return [
    `${runsClosed} runs, ${batches} batches (${share(batchesTwice, batches)} more than once)`,
    `${records} records (${share(recordsAgain, records)} again), ${requests} requests`,
    `${toldToWait} told to wait (${figures.whileTold} sent meanwhile), ${kills} workers killed`,
  ].join(", ");
}
