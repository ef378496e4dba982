/**
 * How many dead letters a provider has, and their cap: the only place that counts them for `status`, `dlq stats`, the HTTP
 * API, the page and the metrics. A bad record counts from the moment at which it is set aside; it enters the list when its
 * own job has run.
 */
import type { DeadLetterCounts, DeadLetterLimits } from "./deadLetterStore.ts";
import type { DeadLetterParts } from "./parts.ts";

export interface ProviderCounts extends DeadLetterCounts {
  /** Bad records of the open run that are not in the list yet. */
  waiting: number;
}

export async function deadLetterCounts(parts: DeadLetterParts): Promise<ProviderCounts> {
  const { runs, deadLetters } = parts;
  const runId = await runs.openRunId();
  const [run, counts] = await Promise.all([
    runId === null ? undefined : runs.read(runId),
    deadLetters.counts(),
  ]);
  const unfinished = run?.unfinishedRecords ?? 0;
  if (!run || unfinished === 0) return { ...counts, waiting: 0 };
  const replayed = counts.byState.replaying === 0 ? 0 : await recordsReplayedIn(parts, run.id);
  return { ...counts, waiting: Math.max(0, unfinished - replayed) };
}

/** Bad records that are in the list already and are tried again in this run. */
async function recordsReplayedIn({ deadLetters }: DeadLetterParts, runId: string): Promise<number> {
  let found = 0;
  for await (const page of deadLetters.pages({ state: "replaying" })) {
    found += page.filter(({ kind, replay }) => kind === "record" && replay?.runId === runId).length;
  }
  return found;
}

/** Dead letters that are not accepted: what counts towards the cap, and what an operator has to decide about. */
export const undecided = ({ byState, waiting }: ProviderCounts): number =>
  byState.dead + byState.replaying + waiting;

/** The cap of a provider's dead letters, at which the provider pauses. From this share on a warning is logged. */
const NEAR = 0.9;

export type CapLevel = "ok" | "near" | "full";

export interface CountedDeadLetters {
  /** Dead letters that are not accepted. */
  letters: number;
  rawBytes: number;
}

/** The greater of both shares; 1 is full. */
export const capShare = (now: CountedDeadLetters, limits: DeadLetterLimits): number =>
  Math.max(now.letters / limits.entries, now.rawBytes / limits.rawBytes);

export function capLevel(now: CountedDeadLetters, limits: DeadLetterLimits): CapLevel {
  const share = capShare(now, limits);
  if (share >= 1) return "full";
  return share >= NEAR ? "near" : "ok";
}

export function capReason(
  now: CountedDeadLetters,
  limits: DeadLetterLimits,
): { reason: string; details: Record<string, unknown> } {
  const reason =
    `PROV_DLQ_FULL: ${now.letters} dead letters (of ${limits.entries}) with ${now.rawBytes} raw bytes ` +
    `(of ${limits.rawBytes}); replay, accept or purge some, then resume`;
  return { reason, details: { ...now, maxLetters: limits.entries, maxRawBytes: limits.rawBytes } };
}
