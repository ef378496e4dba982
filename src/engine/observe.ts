/** What the engine shows to observers: the tree, runs, transitions, decisions, history and totals. Reads only. */
import type { Redis } from "ioredis";
import type { MachineSnapshot } from "../machines/request.ts";
import { kernelHistory } from "../permits/optimizer/kernelMetrics.ts";
import { quotaEvents } from "../permits/optimizer/quotaEvents.ts";
import { readActions } from "../recovery/deadLetters/actionLog.ts";
import { mapRedisError } from "../redis/errors.ts";
import { ensureSchema } from "../redis/schema.ts";
import { failedRecords } from "../runs/runRecord.ts";
import { runTotals } from "../runs/totals.ts";
import type { ProviderContext } from "../workers/context.ts";
import { readSeries } from "../workers/series.ts";
import { actionsIn, statesFor } from "./actions.ts";
import type { Engine, EtlTree, HistoryLine, HistoryTransition } from "./api.ts";
import { contextOf, type EngineParts, machineOf } from "./parts.ts";
import { lastCheckpoint, runsProgress, storedEdition } from "./reads.ts";

type Observing = Pick<
  Engine,
  | "etlTree"
  | "runs"
  | "transitions"
  | "quotaEvents"
  | "kernelHistory"
  | "actionsIn"
  | "statesFor"
  | "ready"
  | "history"
  | "totals"
  | "series"
  | "runsJobs"
>;

/** Each source is newest first already; sorting is stable, so those of one millisecond stay so. */
const newestFirst = <Entry extends { at: string }>(entries: Entry[], limit: number): Entry[] =>
  entries.sort((a, b) => Number(a.at < b.at) - Number(a.at > b.at)).slice(0, limit);

export function makeObserving(parts: EngineParts): Observing {
  const { redis, connections, keys, macro, pool } = parts;
  const contexts = (provider?: string): ProviderContext[] =>
    provider === undefined ? [...parts.contexts.values()] : [contextOf(parts, provider)];

  return {
    actionsIn,
    statesFor,

    async etlTree(): Promise<EtlTree> {
      const [fleet, view, providers, totals] = await Promise.all([
        macro.read(),
        pool.show({ holders: 0 }),
        Promise.all(contexts().map((context) => branch(parts, context))),
        Promise.all(
          contexts().map(({ runs: { keys: own } }) =>
            checkpointsEver(connections.of(own.checkpoints), own.checkpoints),
          ),
        ),
      ]);
      const held = new Map(view.providers.map((one) => [one.provider, one.held]));
      return {
        macro_fsm: { id: "macro", ...machineTimes(fleet) },
        providers: providers.map(({ created_at, updated_at, ...rest }) => ({
          ...rest,
          permits_allocated: held.get(rest.id) ?? 0,
          created_at,
          updated_at,
        })),
        total_checkpoints: totals.reduce((sum, count) => sum + count, 0),
      };
    },

    async runs({ provider, limit }) {
      const found = await Promise.all(
        contexts(provider).map(async (context) => {
          const machine = machineOf(parts, context.provider.name);
          const { runs } = context;
          const ids = (await Promise.all([runs.recentRunIds(limit), runs.recentReplayIds(limit)])).flat();
          // One that was forgotten between the list and the look is passed over.
          return runsProgress(context, ids, machine);
        }),
      );
      return found
        .flat()
        .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
        .slice(0, limit);
    },

    async transitions({ provider, limit }) {
      const machines =
        provider === undefined ? [macro, ...parts.machines.values()] : [machineOf(parts, provider)];
      const pages = await Promise.all(machines.map((machine) => machine.history({ limit })));
      const entries = pages.flatMap((page) =>
        page.entries.map(
          ({ providerId, details: _details, ...entry }): HistoryTransition => ({
            ...entry,
            provider: providerId,
          }),
        ),
      );
      return newestFirst(entries, limit);
    },

    history: (wanted) => history(parts, wanted),

    totals: () =>
      Promise.all(
        contexts().map(async (context) => {
          const { name } = context.provider;
          const [summed, { version }] = await Promise.all([
            runTotals(connections.of(context.runs.keys.tag), context.runs),
            machineOf(parts, name).read(),
          ]);
          return { provider: name, ...summed, transitions: version };
        }),
      ),

    async series({ provider, ...wanted }) {
      const runs = new Map(contexts(provider).map((context) => [context.provider.name, context.runs]));
      return readSeries({ redis, connections, keys, runs }, wanted);
    },

    runsJobs: () => parts.runsQueue.counts(),

    quotaEvents: async ({ limit }) => (await quotaEvents(redis, keys, { limit })).entries,

    kernelHistory: ({ limit }) => kernelHistory(redis, keys, limit),

    async ready() {
      await ensureSchema(redis, keys, { write: false });
    },
  };
}

/** One provider of the tree, without its permits. */
async function branch(parts: EngineParts, context: ProviderContext) {
  const { name } = context.provider;
  const [now, [runId], last, meta] = await Promise.all([
    machineOf(parts, name).read(),
    context.runs.recentRunIds(1),
    lastCheckpoint(context),
    context.runs.meta(),
  ]);
  const run = runId === undefined ? undefined : await context.runs.read(runId);
  const edition = storedEdition(meta);
  const errors = run === undefined ? 0 : failedRecords(run);
  const { created_at, updated_at, state } = machineTimes(now);
  return {
    id: name,
    provider_type: name,
    state,
    last_checkpoint: run?.checkpoint ?? last,
    processed_count: run === undefined ? 0 : run.created + run.updated + run.unchanged + errors,
    error_count: errors,
    ...(edition === null ? {} : { edition }),
    created_at,
    updated_at,
  };
}

const machineTimes = ({ state, createdAt, updatedAt }: MachineSnapshot<string, string>) => ({
  state,
  created_at: createdAt,
  updated_at: updatedAt,
});

/** The stream is bounded; Redis 7 counts what was ever added, before it only what is there. */
async function checkpointsEver(redis: Redis, key: string): Promise<number> {
  try {
    const info = (await redis.xinfo("STREAM", key)) as unknown[];
    const at = (name: string): number => Number(info[info.indexOf(name) + 1] ?? 0);
    return info.includes("entries-added") ? at("entries-added") : at("length");
  } catch (error) {
    const mapped = mapRedisError(error);
    if (/no such key/i.test(mapped.detail)) return 0;
    throw mapped;
  }
}

/** Entries that are looked through for those of people: all that the histories keep. */
const ALL_KEPT = 1_100;

/** What moved machines and breakers, what was decided about permits, what was done with dead letters. */
async function history(
  parts: EngineParts,
  { provider, limit, people = false }: Parameters<Engine["history"]>[0],
): Promise<HistoryLine[]> {
  const contexts = provider === undefined ? [...parts.contexts.values()] : [contextOf(parts, provider)];
  const page = { limit: people ? Math.max(limit, ALL_KEPT) : limit };
  const moves = async (machine: EngineParts["macro"] | ReturnType<typeof machineOf>) =>
    (await machine.history(page)).entries.map(
      ({ at, providerId, oldState, newState, trigger, actor, actorKind, reason }): HistoryLine => ({
        ...{ at, kind: "transition", provider: providerId, what: `${oldState} → ${newState}` },
        ...{ trigger, actor, actorKind, reason },
      }),
    );
  const breakerMoves = async (name: string, upstream: string) =>
    ((await parts.breakers.get(upstream)?.store.transitions(page))?.entries ?? []).map(
      ({ at, oldState, newState, trigger, actor, actorKind, reason }): HistoryLine => ({
        ...{ at, kind: "breaker", provider: name, trigger, actor, actorKind, reason },
        what: `breaker ${upstream === name ? "" : "of the feeds "}${oldState} → ${newState}`,
      }),
    );
  const operatorActions = async (context: ProviderContext) =>
    (await readActions(context, page)).entries.map(
      ({ at, what, selection, actor, actorKind, reason }): HistoryLine => ({
        ...{ at, kind: "dead-letters", provider: context.provider.name, what: `dead letters: ${what}` },
        ...{ trigger: selection, actor, actorKind, reason },
      }),
    );
  const decisions = async () =>
    (await quotaEvents(parts.redis, parts.keys, page)).entries.map(
      ({ at, kind, permits, actor, reason }): HistoryLine => ({
        ...{ at, kind: "quota", provider: null, actor, reason: reason || null },
        ...(kind === "resize"
          ? { what: `resize to ${permits}`, trigger: "person", actorKind: "person" }
          : { what: `${kind} ${permits}`, trigger: "optimizer", actorKind: "engine" }),
      }),
    );
  const lines = await Promise.all([
    ...contexts.flatMap((context) => {
      const { name } = context.provider;
      return [
        moves(machineOf(parts, name)),
        breakerMoves(name, name),
        breakerMoves(name, `${name}-feeds`),
        operatorActions(context),
      ];
    }),
    ...(provider === undefined ? [moves(parts.macro), decisions()] : []),
  ]);
  return newestFirst(
    lines.flat().filter(({ actorKind }) => !people || actorKind === "person"),
    limit,
  );
}
