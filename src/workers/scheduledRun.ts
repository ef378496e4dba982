/**
 * A slot of a schedule: opens a run or joins the open one. It never runs beside another run of its provider, and a
 * person's pause stands: a slot that finds its provider paused does nothing, and is no failure.
 */
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { RunMode } from "../providers/contract.ts";
import { scheduledJob } from "../queues/jobCatalog.ts";
import { type SchedulePlan, scheduleId, type TakenSlot } from "../queues/schedulePlan.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import type { ProviderContext } from "./context.ts";
import { openGoverned } from "./openGoverned.ts";

/** A run that is open for longer is waited for no more: one that never ends would stop the schedules behind it. */
const WAIT_FOR_OTHERS_MS = 6 * 3_600_000;

/** @throws UeeError PROV_RUN_OPEN while it must wait for another run to end: an open increment, or a run that comes first */
export async function runScheduled(
  job: TakenJob,
  contexts: ReadonlyMap<string, ProviderContext>,
  plan: SchedulePlan,
  logger: Logger,
): Promise<Record<string, string>> {
  const parsed = scheduledJob.safeParse(job.data);
  if (!parsed.success) throw new UeeError("RPC_JOB_INVALID", parsed.error.issues[0]?.message);
  const { provider, mode } = parsed.data;
  const context = contexts.get(provider);
  if (!context) {
    // The fleet's plan is that of another version, which has a provider more.
    logger.warn(
      { event: "schedule_slot", provider, mode },
      `this worker does not know ${provider}; slot skipped`,
    );
    return { outcome: "unknown" };
  }
  await waitForOthers(context, contexts, plan);
  const id = scheduleId(parsed.data);
  const slot = await open(context, { mode, name: id });
  await plan.took(id, { at: new Date().toISOString(), ...slot });
  logger.info({ event: "schedule_slot", provider, mode, ...slot }, `schedule ${id}: ${slot.outcome}`);
  return slot.runId === null ? { outcome: slot.outcome } : { outcome: slot.outcome, runId: slot.runId };
}

/** @throws UeeError PROV_RUN_OPEN while a run that comes first (`after` of the provider) is open or due */
async function waitForOthers(
  { provider: { name, after = [] } }: ProviderContext,
  contexts: ReadonlyMap<string, ProviderContext>,
  plan: SchedulePlan,
): Promise<void> {
  if (after.length === 0) return;
  const [slots, taken] = await Promise.all([plan.slots(), plan.taken()]);
  const isDue = (id: string): boolean => {
    const next = slots.get(id)?.next;
    return next !== undefined && next <= Date.now() && !(Date.parse(taken.get(id)?.at ?? "") >= next);
  };
  for (const first of after) {
    const other = contexts.get(first);
    if (other === undefined || (await other.governor.isPaused())) continue;
    const runId = await other.runs.openRunId();
    const run = runId === null ? undefined : await other.runs.read(runId);
    const isOpen =
      run !== undefined && (await other.runs.now()) - Date.parse(run.startedAt) < WAIT_FOR_OTHERS_MS;
    const due = (["incremental", "full"] as const).some((mode) =>
      isDue(scheduleId({ provider: first, mode })),
    );
    if (!isOpen && !(run === undefined && due)) continue;
    throw new UeeError("PROV_RUN_OPEN", `Scheduled runs of ${name} start after those of ${first}.`, {
      data: { runId },
    });
  }
}

async function open(
  context: ProviderContext,
  { mode, name }: { mode: RunMode; name: string },
): Promise<Omit<TakenSlot, "at">> {
  try {
    const actor = { kind: "schedule", name } as const;
    const { runId, joined } = await openGoverned(context, { mode, actor, reason: "scheduled" });
    return { outcome: joined ? "joined" : "opened", runId };
  } catch (error) {
    if (error instanceof UeeError && error.code === "PROV_PAUSED") return { outcome: "paused", runId: null };
    throw error;
  }
}
