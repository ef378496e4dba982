/**
 * Reconciles BullMQ's job schedulers with the plan: every schedule has exactly one next run, at the right time, whatever
 * was lost, doubled, changed or removed. Any number of pods may do it at any time: each repair has the same result,
 * however many pods make it.
 *
 * BullMQ adds a scheduler's next job when a worker takes the current one. A fleet that was down finds one overdue job,
 * which catches up once. A lost job would stop its schedule for ever: the reconciler restores it.
 */
import type { JobSchedulerJson, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { nextCron, type Schedule } from "../core/schedule.ts";
import type { RunMode } from "../providers/contract.ts";
import { jobState, queueKey, slotJobId } from "./bullmqQueue.ts";
import { type ScheduledJob, scheduledJobOptions } from "./jobCatalog.ts";
import { type PlannedSchedule, type SchedulePlan, scheduleId } from "./schedulePlan.ts";

/** Time until the first slot of a provider that was never loaded, or whose load is overdue, ms. */
const SOON_MS = 600_000;
/** At most so many delayed jobs, and so many waiting ones, are searched for doubles. */
const MOST_SEARCHED = 10_000;

export interface ScheduleRepair {
  schedule: string;
  repair: "made" | "changed" | "removed" | "restored" | "next run restored" | "double removed";
}

export interface ScheduleReconcilerOptions {
  redis: Redis;
  queue: Queue;
  plan: SchedulePlan;
  /** When the provider was last verified by such a run; null: never. */
  lastDone(provider: string, mode: RunMode): Promise<string | null>;
}

type Wanted = { id: string; provider: string; mode: RunMode; schedule: Schedule };

export class ScheduleReconciler {
  readonly #o: ScheduleReconcilerOptions;

  constructor(options: ScheduleReconcilerOptions) {
    this.#o = options;
  }

  async reconcile(plan: PlannedSchedule[]): Promise<ScheduleRepair[]> {
    const repairs: ScheduleRepair[] = [];
    const known = await this.#o.plan.slots();
    const wanted = new Map<string, Wanted>();
    for (const { schedule, ...which } of plan) {
      const id = scheduleId(which);
      if (schedule !== "off") wanted.set(id, { id, ...which, schedule });
    }
    for (const one of wanted.values()) {
      const repair = await this.#reconcileOne(one, known.get(one.id));
      if (repair) repairs.push({ schedule: one.id, repair });
    }
    const unwanted = [...known.keys()].filter((id) => !wanted.has(id));
    for (const id of unwanted) {
      await this.#o.queue.removeJobScheduler(id);
      repairs.push({ schedule: id, repair: "removed" });
    }
    for (const id of await this.#removeDoubles([...wanted.keys()], unwanted)) {
      repairs.push({ schedule: id, repair: "double removed" });
    }
    // Last: after a crash before this line they are still known, and the next call removes them.
    for (const id of unwanted) await this.#o.plan.forget(id);
    return repairs;
  }

  async #reconcileOne(
    wanted: Wanted,
    known: { schedule: Schedule; next: number } | undefined,
  ): Promise<ScheduleRepair["repair"] | undefined> {
    const { id } = wanted;
    const { queue, plan } = this.#o;
    const found = await this.#scheduler(id);
    if (found === undefined) {
      const same = known !== undefined && isSame(known.schedule, wanted.schedule);
      await this.#make(wanted, same ? known.next : await this.#firstSlot(wanted));
      return same ? "restored" : known ? "changed" : "made";
    }
    if (!fits(found, wanted)) {
      await this.#make(wanted, await this.#firstSlot(wanted));
      return "changed";
    }
    if (known?.next !== found.next || !isSame(known.schedule, wanted.schedule)) {
      await plan.remember(id, { schedule: wanted.schedule, next: found.next });
    }
    const slot = slotJobId(id, found.next);
    // A job may have its place in the queue and have lost its contents.
    if ((await queue.getJob(slot)) && (await jobState(queue, slot)) === "queued") return undefined;
    // A worker took the job between the two reads, and BullMQ added the next one.
    if ((await this.#scheduler(id))?.next !== found.next) return undefined;
    await queue.removeJobScheduler(id);
    await this.#make(wanted, found.next);
    return "next run restored";
  }

  async #scheduler(id: string): Promise<(JobSchedulerJson & { next: number }) | undefined> {
    const found = await this.#o.queue.getJobScheduler(id);
    // BullMQ keeps a scheduler in two places, and either may have been lost.
    return typeof found?.next === "number" ? { ...found, next: found.next } : undefined;
  }

  /** @param slot ms; a slot in the past is caught up now; undefined: the cron expression decides */
  async #make({ id, provider, mode, schedule }: Wanted, slot: number | undefined): Promise<void> {
    const now = Date.now();
    const overdue = slot !== undefined && slot <= now;
    const repeat =
      "every" in schedule
        ? { every: schedule.every, startDate: Math.max(now, slot ?? now) }
        : { pattern: schedule.cron, tz: "UTC", immediately: overdue };
    await this.#clearPlace(id, repeat.startDate ?? nextCron(repeat.pattern as string, now));
    await this.#o.queue.upsertJobScheduler(id, repeat, {
      name: "scheduled",
      data: { provider, mode } satisfies ScheduledJob,
      opts: scheduledJobOptions,
    });
    const next = (await this.#scheduler(id))?.next;
    if (next !== undefined) await this.#o.plan.remember(id, { schedule, next });
  }

  /** Removes what is left of a job that its scheduler has lost: it would prevent BullMQ from adding the new one. */
  async #clearPlace(id: string, slot: number): Promise<void> {
    const job = await this.#o.queue.getJob(slotJobId(id, slot));
    // BullMQ refuses when the job is at work, or when another pod has made the scheduler again meanwhile.
    await job?.remove().catch(() => undefined);
  }

  /** An interval counts from the last success; a cron expression defines its own times. */
  async #firstSlot({ provider, mode, schedule }: Wanted): Promise<number | undefined> {
    if (!("every" in schedule)) return undefined;
    const now = Date.now();
    const done = await this.#o.lastDone(provider, mode);
    // The incremental schedule does the first full load of a provider.
    if (done === null && mode !== "incremental") return now + schedule.every;
    const due = done === null ? now : Date.parse(done) + schedule.every;
    const soon = now + Math.min(schedule.every, SOON_MS);
    return Math.min(Math.max(due, soon), now + schedule.every);
  }

  /** Removes jobs of a schedule that no worker has taken yet, except its next one; all of them when the schedule is gone. */
  async #removeDoubles(wanted: readonly string[], unwanted: readonly string[]): Promise<Set<string>> {
    const { queue, redis } = this.#o;
    const address = { prefix: queue.opts.prefix ?? "bull", name: queue.name };
    const ids = [
      ...(await redis.zrange(queueKey(address, "delayed"), "0", String(MOST_SEARCHED))),
      ...(await redis.lrange(queueKey(address, "wait"), 0, MOST_SEARCHED)),
    ];
    const removed = new Set<string>();
    for (const jobId of ids) {
      const own = ofSchedule(jobId);
      if (own === undefined) continue;
      const isUnwanted = unwanted.includes(own.id);
      if (!isUnwanted && !wanted.includes(own.id)) continue;
      if (!isUnwanted && (await this.#scheduler(own.id))?.next === own.slot) continue;
      const job = await queue.getJob(jobId);
      // A job that was taken and waits for the open run to end stays, unless its schedule is gone.
      if (!job || (job.attemptsStarted > 0 && !isUnwanted)) continue;
      // BullMQ refuses when the job has become the scheduler's next one meanwhile, or is at work.
      const gone = await job.remove().then(
        () => true,
        () => false,
      );
      if (gone) removed.add(own.id);
    }
    return removed;
  }
}

function ofSchedule(jobId: string): { id: string; slot: number } | undefined {
  const match = /^repeat:(uee-[a-z][a-z0-9]*-(?:incremental|full)):(\d+)$/.exec(jobId);
  return match ? { id: match[1]!, slot: Number(match[2]) } : undefined;
}

const isSame = (a: Schedule, b: Schedule): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether the scheduler that was found does what is wanted. */
function fits(found: JobSchedulerJson, { provider, mode, schedule }: Wanted): boolean {
  const data = found.template?.data as Partial<ScheduledJob> | undefined;
  const times =
    "every" in schedule
      ? found.every === schedule.every && !found.pattern
      : found.pattern === schedule.cron && found.tz === "UTC" && !found.every;
  return times && found.name === "scheduled" && data?.provider === provider && data.mode === mode;
}
