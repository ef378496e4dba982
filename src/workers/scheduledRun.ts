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

/** @throws UeeError PROV_RUN_OPEN while a full run must wait for an open increment to end */
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
  const id = scheduleId(parsed.data);
  const slot = await open(context, { mode, name: id });
  await plan.took(id, { at: new Date().toISOString(), ...slot });
  logger.info({ event: "schedule_slot", provider, mode, ...slot }, `schedule ${id}: ${slot.outcome}`);
  return slot.runId === null ? { outcome: slot.outcome } : { outcome: slot.outcome, runId: slot.runId };
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
