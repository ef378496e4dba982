/** The cap of a provider's dead letters, at which the provider pauses. Pure. */
import type { DeadLetterLimits } from "./deadLetterStore.ts";

/** From this share of the cap on a warning is logged. */
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
