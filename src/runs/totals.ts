/** What the runs of a provider did since its store began. */
import type { Redis } from "ioredis";
import type { RunMode } from "../providers/contract.ts";
import type { Runs } from "./runs.ts";

/** Figures that only grow, `processed` excepted. */
export interface RunTotals {
  /** Closed runs. */
  runs: { mode: RunMode; result: string; count: number }[];
  /** Closed runs only, because how a record counts may change while its run is open; the same holds for dead batches. */
  records: { created: number; updated: number; unchanged: number; removed: number; dead: number };
  batches: { committed: number; dead: number };
  /** Requests sent to the upstream, failed ones included. */
  requests: number;
  /** Records that were compared or set aside, those of open runs included. */
  processed: number;
}

/**
 * Closed runs are summed up in the step that closes them; of the open ones that is added which only grows while they are
 * open. Sums and open runs are read in one step and the runs after it: one that closes in between is counted once, by its
 * own figures. So no figure ever falls.
 */
export async function runTotals(redis: Redis, runs: Runs): Promise<RunTotals> {
  const { meta: metaKey, openRun, replayRun } = runs.keys;
  const replies = (await redis.multi().hgetall(metaKey).get(openRun).get(replayRun).exec()) ?? [];
  for (const [error] of replies) if (error) throw error;
  const [meta = {}, ...ids] = replies.map(([, reply]) => reply) as [
    Record<string, string>,
    ...(string | null)[],
  ];
  const open = await Promise.all([...new Set(ids)].map((id) => (id ? runs.read(id) : undefined)));
  const closed = (name: string): number => Number(meta[`total:${name}`] ?? 0);
  const all = (names: readonly ("done" | "requests" | Outcome)[], before: number): number =>
    open.reduce((sum, run) => names.reduce((more, name) => more + (run?.[name] ?? 0), sum), before);
  const [created, updated, unchanged, dead] = outcomes.map(closed) as [number, number, number, number];
  return {
    runs: Object.entries(meta).flatMap(([field, count]) => {
      const [, mode, result] = /^runs:(\w+):(\w+)$/.exec(field) ?? [];
      return mode === undefined || result === undefined
        ? []
        : [{ mode: mode as RunMode, result, count: Number(count) }];
    }),
    records: { created, updated, unchanged, removed: closed("removed"), dead },
    batches: {
      committed: all(["done"], closed("done") - closed("doneRecords")),
      dead: closed("deadBatches"),
    },
    requests: all(["requests"], closed("requests")),
    processed: all(outcomes, created + updated + unchanged + dead),
  };
}

const outcomes = ["created", "updated", "unchanged", "dead"] as const;
type Outcome = (typeof outcomes)[number];
