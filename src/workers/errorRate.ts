/** When a provider is paused automatically because too many records failed. Pure. */
import { failedRecords, type RunRecord } from "../runs/runRecord.ts";

export interface ErrorLimits {
  /** Share of the records processed that may fail for good. */
  rate: number;
  /** Records processed before the share counts. */
  minimum: number;
}

export interface PauseReason {
  reason: string;
  details: Record<string, unknown>;
}

/**
 * Too many records failed for good since the run began or was resumed? `latest` are those that failed just now.
 * In a replay run only new bad records count: what fails again was counted when it failed first.
 */
export function tooManyErrors(
  run: RunRecord,
  limits: ErrorLimits,
  latest: { code: string; message: string }[],
): PauseReason | undefined {
  const deadSize = run.kind === "replay" ? 0 : run.deadSize;
  const errors = failedRecords({ dead: run.dead, deadSize }) - run.errorBase.errors;
  // Really processed: a run that never got a record fails with its own reason.
  const received = run.created + run.updated + run.unchanged + run.dead + run.accepted;
  const processed = received + deadSize - run.errorBase.processed;
  if (processed - deadSize < limits.minimum || errors <= processed * limits.rate) return undefined;
  const counts = new Map<string, number>();
  for (const { code } of latest) counts.set(code, (counts.get(code) ?? 0) + 1);
  const top = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
  const share = ((errors / processed) * 100).toFixed(1);
  const reason =
    `PROV_ERROR_RATE: ${errors} of ${processed} records (${share} %) failed for good; ` +
    `${top.map(([code, n]) => `${code} ×${n}`).join(", ")}; for example ${latest[0]?.message ?? "none"}`;
  return { reason, details: { errors, processed, codes: Object.fromEntries(top) } };
}
