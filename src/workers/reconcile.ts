/**
 * The end of a reconciliation: what the comparison with the upstream's feeds found, and the removal of what is in the store
 * and not in the feeds. Differences in content and holes were repaired by ordinary commits when they were met.
 *
 * Killed while it removes, the step is repeated: the number of extra records is kept before the first removal.
 */
import { UeeError } from "../core/errors.ts";
import type { FeedFacts } from "../providers/contract.ts";
import type { Attempt } from "../records/contract.ts";
import type { Reconciled, RunRecord, StoredError } from "../runs/runRecord.ts";
import type { ProviderContext } from "./context.ts";

/** What is known before anything is removed; kept with the run's verdict. */
export interface Comparison {
  feeds: FeedFacts[];
  asOf: string;
  /** Records whose stored version is newer than that of the feeds, and those of them of which nothing explains why. */
  newer: number;
  unexplained: number;
}

export async function compared(
  context: ProviderContext,
  run: RunRecord,
  feeds: FeedFacts[],
): Promise<Comparison> {
  const asOf = Math.min(...feeds.map((feed) => Date.parse(feed.asOf)));
  let newer = 0;
  let unexplained = run.refusedByPass[run.pass] ?? 0;
  for await (const some of context.records.regressions(run.id, run.pass)) {
    for (const { confirmed, unchanged, lastModified } of some) {
      if (!unchanged) continue;
      if (confirmed || (lastModified ?? 0) > asOf) newer++;
      else unexplained++;
    }
  }
  return { feeds, asOf: new Date(asOf).toISOString(), newer, unexplained };
}

/** Records that the pass has not met: those modified after the feeds were made are newer, the others are extra. */
async function* unmet(
  context: ProviderContext,
  run: RunRecord,
  asOf: number,
): AsyncGenerator<{ extra: string[]; newer: number }> {
  for await (const ids of context.records.unseen(run.id, run.pass)) {
    const times = await context.records.lastModified(ids);
    const extra = ids.filter((_, i) => (times[i] ?? 0) <= asOf);
    yield { extra, newer: ids.length - extra.length };
  }
}

/** @param mayRemove how many of so many live records may go without a person */
export async function concludeReconcile(
  context: ProviderContext,
  run: RunRecord,
  attempt: Attempt,
  comparison: Comparison,
  { mayRemove, signal }: { mayRemove: (extra: number, live: number) => boolean; signal: AbortSignal },
): Promise<{ reconciled: Reconciled; error: StoredError | null }> {
  const asOf = Date.parse(comparison.asOf);
  if (run.removal === null) {
    let extra = 0;
    let newer = 0;
    for await (const some of unmet(context, run, asOf)) {
      extra += some.extra.length;
      newer += some.newer;
    }
    await context.records.recount();
    // Any record without an id may be one of those that seem to be extra.
    const removes = run.repair && !run.nameless && mayRemove(extra, await context.records.count());
    const removal = JSON.stringify({ extra, newer, removes });
    await context.runs.setFields(attempt, { removal });
    run.removal = removal;
  }
  const { extra, newer, removes } = JSON.parse(run.removal) as {
    extra: number;
    newer: number;
    removes: boolean;
  };
  if (removes && extra > 0) {
    for await (const some of unmet(context, run, asOf)) {
      signal.throwIfAborted();
      await context.records.remove(attempt, some.extra, "not in the upstream's feeds");
    }
  }
  const done = (await context.runs.read(run.id)) ?? run;
  const stale = done.updated + done.differing;
  const missing = done.created + done.missing;
  const unexplained = comparison.unexplained + done.dead;
  const equal = Math.max(0, done.unchanged - comparison.newer - comparison.unexplained);
  const reconciled: Reconciled = {
    at: new Date(await context.runs.now()).toISOString(),
    asOf: comparison.asOf,
    runId: run.id,
    repair: run.repair,
    checked: equal + comparison.newer + newer + stale + missing + extra + unexplained,
    equal,
    newer: comparison.newer + newer,
    stale,
    missing,
    extra,
    repaired: done.created + done.updated + done.removed,
    unexplained,
    feeds: comparison.feeds.map(({ name, sha256, lastModified, records }) => ({
      ...{ name, sha256, lastModified, records },
    })),
  };
  await context.runs.setFields(attempt, { reconciled: JSON.stringify(reconciled) });
  return { reconciled, error: errorOf(reconciled, removes) };
}

/** Null where nothing is left that should have been repaired. */
function errorOf(found: Reconciled, removes: boolean): StoredError | null {
  const { unexplained, extra, repair } = found;
  const kept = repair && !removes ? extra : 0;
  if (unexplained + kept === 0) return null;
  const parts = [
    unexplained > 0 ? `${unexplained} records differ without an explanation` : "",
    kept > 0 ? `${kept} records are not in the feeds, too many to be removed without a person` : "",
  ];
  const error = new UeeError("PROV_UNEXPLAINED", `${parts.filter((part) => part !== "").join("; ")}.`);
  return { code: error.code, message: error.detail };
}
