/**
 * What a crash left of runs that are over: bookkeeping and staged slices that the last step, or whoever stopped the run,
 * did not live to drop. Several pods may clean at once.
 */
import { cleanUp, refersToSlices } from "./cleanUp.ts";
import type { ProviderContext } from "./context.ts";

/** Runs looked at: what is older was cleaned when it was young. */
const LOOKED_AT = 10;

/** Whoever closed a run cleans it at once; one that has not by then did not live to. */
const CLEANED_BY_THEN_MS = 10_000;

/** Cleans what is left; returns the runs that needed it. */
export async function sweepLeftovers(context: ProviderContext): Promise<string[]> {
  const { runs, staging } = context;
  const swept: string[] = [];
  const looked = await Promise.all([runs.recentRunIds(LOOKED_AT), runs.uncleanRunIds()]);
  for (const runId of new Set(looked.flat())) {
    if (((await runs.closedForMs(runId)) ?? 0) < CLEANED_BY_THEN_MS) continue;
    const slices = (await staging.any(runId)) && !(await refersToSlices(context, runId));
    if (!slices && !(await runs.hasBookkeeping(runId))) continue;
    await cleanUp(context, runId);
    swept.push(runId);
  }
  return swept;
}
