/** The schedules: what this process would have, what holds for the fleet, and where each of them stands. */
import { parseSchedule, type ScheduleSetting } from "../core/schedule.ts";
import type { RunMode } from "../providers/contract.ts";
import { schedulesOf } from "../providers/contract.ts";
import { type PlannedSchedule, scheduleId } from "../queues/schedulePlan.ts";
import type { ProviderContext } from "../workers/context.ts";
import { FleetSchedules } from "../workers/fleetSchedules.ts";
import type { ProviderStatus, ScheduleView } from "./api.ts";
import { contextOf, type EngineParts } from "./parts.ts";

/** What has no feeds has nothing to be reconciled with. */
const modesOf = ({ feeds }: ProviderContext): readonly RunMode[] =>
  feeds ? ["incremental", "full", "reconcile"] : ["incremental", "full"];

/** The plan of this process's configuration, whatever holds for the fleet. */
function planOf({ contexts, settings }: EngineParts): PlannedSchedule[] {
  return [...contexts.values()].flatMap((context) =>
    modesOf(context).map((mode) => {
      const { provider } = context;
      const own = settings.providers[provider.name]?.schedule?.[mode];
      const schedule = settings.schedules === false ? "off" : (own ?? defaultOf(provider, mode));
      return { provider: provider.name, mode, schedule };
    }),
  );
}

function defaultOf(
  provider: Parameters<typeof schedulesOf>[0] & { name: string },
  mode: RunMode,
): ScheduleSetting {
  const read = parseSchedule(schedulesOf(provider)[mode]);
  if ("schedule" in read) return read.schedule;
  throw new Error(`provider ${provider.name}: its default schedule cannot be read: ${read.problem}`);
}

export function makeFleetSchedules(parts: EngineParts): FleetSchedules {
  const { runsQueue, schedulePlan, logger } = parts;
  return new FleetSchedules({
    plan: schedulePlan,
    mine: planOf(parts),
    logger,
    reconciler: runsQueue.scheduleReconciler({
      plan: schedulePlan,
      async lastDone(provider, mode) {
        // A provider of a newer version's plan has no record here; it is treated as never loaded.
        if (!parts.contexts.has(provider)) return null;
        const { verifiedAt, lastFullAt, reconciled } = await contextOf(parts, provider).runs.meta();
        if (mode === "reconcile") return reconciled?.at ?? null;
        return mode === "full" ? lastFullAt : verifiedAt;
      },
    }),
  });
}

/** The schedules of every provider that this process knows, incremental before full. */
export async function scheduleViews(parts: EngineParts): Promise<ScheduleView[]> {
  const { schedulePlan, contexts } = parts;
  const [plan, slots, taken] = await Promise.all([
    schedulePlan.read(),
    schedulePlan.slots(),
    schedulePlan.taken(),
  ]);
  const shown = (plan ?? planOf(parts)).filter(({ provider }) => contexts.has(provider));
  return Promise.all(
    shown.map(async ({ provider, mode, schedule }): Promise<ScheduleView> => {
      const id = scheduleId({ provider, mode });
      const last = taken.get(id);
      const next = slots.has(id) ? await parts.runsQueue.nextSlot(id) : null;
      return {
        provider,
        mode,
        enabled: schedule !== "off",
        everyMs: schedule !== "off" && "every" in schedule ? schedule.every : null,
        cron: schedule !== "off" && "cron" in schedule ? schedule.cron : null,
        next: next === null ? null : new Date(next).toISOString(),
        last: last?.at ?? null,
        lastOutcome: last?.outcome ?? null,
        lastRunId: last?.runId ?? null,
      };
    }),
  );
}

/** The nearest slot of a provider's schedules. */
export function nextRun(views: readonly ScheduleView[], provider: string): ProviderStatus["nextRun"] {
  const [nearest] = views
    .filter((view) => view.provider === provider && view.enabled && view.next !== null)
    .sort((a, b) => Date.parse(a.next!) - Date.parse(b.next!));
  return nearest ? { at: nearest.next!, mode: nearest.mode } : null;
}

/** An interval that was missed so often, and a bit, is no accident. */
const MISSED_INTERVALS = 2;
const GRACE_MS = 3_600_000;

/** How old a provider's last verified run may grow under its schedules, ms; null where none of them has an interval. */
export function staleAfter(views: readonly ScheduleView[], provider: string): number | null {
  const intervals = views
    .filter((view) => view.provider === provider && view.enabled && view.mode !== "reconcile")
    .flatMap(({ everyMs }) => everyMs ?? []);
  return intervals.length === 0 ? null : Math.min(...intervals) * MISSED_INTERVALS + GRACE_MS;
}
