/**
 * The queue `runs`, into which any BullMQ client may put `{"provider","mode"}`, and into which the schedules put their
 * slots. A job completes when its run is open or joined; bad data fails it with a code. A slot never runs beside another
 * run of its provider, and an operator's pause stands: a slot that finds its provider paused does nothing.
 */
import { isUeeError, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { RunMode } from "../providers/contract.ts";
import { runJob, scheduledJob } from "../queues/jobCatalog.ts";
import { type SchedulePlan, scheduleId, type TakenSlot } from "../queues/schedulePlan.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { Process } from "./consumers.ts";
import type { ProviderContext } from "./context.ts";
import { openGoverned } from "./openGoverned.ts";
import type { Outcome } from "./outcome.ts";
import { throughTrouble } from "./trouble.ts";

/** Interval at which a full run looks at an open increment, ms; a scheduled one may wait longer. */
const LOOK_AGAIN_MS = 1_000;
const SCHEDULED_LOOK_AGAIN_MS = 10_000;

/** Processes the jobs of the queue `runs`. */
export function runsConsumer(options: {
  contexts: readonly ProviderContext[];
  plan: SchedulePlan;
  gate: TroubleGate;
  logger: Logger;
}): Process {
  const { plan, gate, logger } = options;
  const contexts = new Map(options.contexts.map((context) => [context.provider.name, context]));

  const openSlot = async (job: TakenJob): Promise<Record<string, string>> => {
    const parsed = scheduledJob.safeParse(job.data);
    if (!parsed.success) throw new UeeError("RPC_JOB_INVALID", parsed.error.issues[0]?.message);
    const { provider, mode } = parsed.data;
    const context = contexts.get(provider);
    if (!context) {
      // The fleet's plan is that of another version, which has a provider more.
      const line = { event: "schedule_slot", provider, mode };
      logger.warn(line, `this worker does not know ${provider}; slot skipped`);
      return { outcome: "unknown" };
    }
    await waitForOthers(context, contexts, plan);
    const id = scheduleId(parsed.data);
    const slot = await openScheduled(context, mode, id);
    await plan.took(id, { at: new Date().toISOString(), ...slot });
    logger.info({ event: "schedule_slot", provider, mode, ...slot }, `schedule ${id}: ${slot.outcome}`);
    return slot.runId === null ? { outcome: slot.outcome } : { outcome: slot.outcome, runId: slot.runId };
  };

  const open = async (job: TakenJob): Promise<{ runId: string }> => {
    if (job.name !== "run")
      throw new UeeError("RPC_JOB_UNKNOWN", `There is no job '${job.name}'; send 'run'.`);
    const parsed = runJob.safeParse(job.data);
    if (!parsed.success) {
      const wrong = parsed.error.issues.map((i) => `${i.path.join(".") || "data"}: ${i.message}`).join("; ");
      throw new UeeError("RPC_JOB_INVALID", wrong);
    }
    const { provider, actor, ...request } = parsed.data;
    const context = contexts.get(provider);
    if (!context) {
      const known = [...contexts.keys()].join(", ");
      throw new UeeError("PROV_UNKNOWN", `There is no provider '${provider}'; there are ${known}.`);
    }
    const by = { kind: "script", name: actor ?? "job" } as const;
    const { runId } = await openGoverned(context, { ...request, actor: by });
    return { runId };
  };

  const work = async (job: TakenJob): Promise<Outcome> => {
    const scheduled = job.name === "scheduled";
    try {
      return { kind: "done", summary: await (scheduled ? openSlot(job) : open(job)) };
    } catch (thrown) {
      if (gate.met(thrown)) throw thrown;
      const error = mapRedisError(thrown);
      if (error.code === "PROV_RUN_OPEN") {
        const delayMs = scheduled ? SCHEDULED_LOOK_AGAIN_MS : LOOK_AGAIN_MS;
        return { kind: "defer", delayMs, error };
      }
      logger.warn({ event: "run_refused", jobId: job.id, code: error.code }, error.message);
      return { kind: "dead", error };
    }
  };

  return (job, signal) => throughTrouble({ gate, job, signal, work: () => work(job) });
}

/** A run that is open for longer is waited for no more: one that never ends would stop the schedules behind it. */
const WAIT_FOR_OTHERS_MS = 6 * 3_600_000;

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

/** @throws UeeError PROV_RUN_OPEN while a full run must wait for an open increment to end */
async function openScheduled(
  context: ProviderContext,
  mode: RunMode,
  name: string,
): Promise<Omit<TakenSlot, "at">> {
  try {
    const actor = { kind: "schedule", name } as const;
    const { runId, joined } = await openGoverned(context, { mode, actor, reason: "scheduled" });
    return { outcome: joined ? "joined" : "opened", runId };
  } catch (error) {
    if (isUeeError(error, "PROV_PAUSED")) return { outcome: "paused", runId: null };
    throw error;
  }
}
