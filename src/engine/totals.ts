/**
 * What runs did since the store began. Closed runs are summed up in the step that closes them; of the open ones that is
 * added which only grows while they are open. Sums and open runs are read in one step and the runs after it: one that closes
 * in between is counted once, by its own figures. So no figure ever falls. How a record counts may still change while its
 * run is open: records are counted when their run closes.
 */
import type { Redis } from "ioredis";
import type { RunMode } from "../providers/contract.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { Engine, ProviderTotals } from "./api.ts";
import { type EngineParts, machineOf } from "./parts.ts";

export function makeTotals(parts: EngineParts): Pick<Engine, "totals" | "runsJobs"> {
  const { redis, contexts, runsQueue } = parts;
  return {
    totals: () =>
      Promise.all(
        [...contexts.values()].map(async (context) => {
          const [summed, { version }] = await Promise.all([
            totalsOf(redis, context),
            machineOf(parts, context.provider.name).read(),
          ]);
          return { provider: context.provider.name, ...summed, transitions: version };
        }),
      ),
    runsJobs: () => runsQueue.counts(),
  };
}

async function totalsOf(
  redis: Redis,
  { runs }: ProviderContext,
): Promise<Omit<ProviderTotals, "provider" | "transitions">> {
  const { meta: metaKey, openRun, replayRun } = runs.keys;
  const replies = (await redis.multi().hgetall(metaKey).get(openRun).get(replayRun).exec()) ?? [];
  for (const [error] of replies) if (error) throw error;
  const [meta = {}, ...ids] = replies.map(([, reply]) => reply) as [
    Record<string, string>,
    ...(string | null)[],
  ];
  const open = await Promise.all([...new Set(ids)].map((id) => (id ? runs.read(id) : undefined)));
  const closed = (name: string): number => Number(meta[`total:${name}`] ?? 0);
  const all = (name: "done" | "requests", before: number): number =>
    open.reduce((sum, run) => sum + (run?.[name] ?? 0), before);
  return {
    runs: Object.entries(meta).flatMap(([field, count]) => {
      const [, mode, result] = /^runs:(\w+):(\w+)$/.exec(field) ?? [];
      return mode === undefined || result === undefined
        ? []
        : [{ mode: mode as RunMode, result, count: Number(count) }];
    }),
    records: {
      created: closed("created"),
      updated: closed("updated"),
      unchanged: closed("unchanged"),
      removed: closed("removed"),
      dead: closed("dead"),
    },
    batches: { committed: all("done", closed("done") - closed("doneRecords")), dead: closed("deadBatches") },
    requests: all("requests", closed("requests")),
  };
}
