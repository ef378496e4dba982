/**
 * Keeps BullMQ's job schedulers as the plan has them: every schedule has exactly one next run, at the right time,
 * whatever was lost, doubled, changed or removed. Safe at any time from any number of pods: every repair leaves the same
 * behind, whoever else makes it.
 *
 * BullMQ emits a scheduler's next job when the current one is taken. A fleet that was down finds one overdue job, which
 * catches up once; a job that is lost would stop its schedule for ever, and is what this mends.
 */
import type { JobSchedulerJson, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { nextCron, type Schedule } from "../core/schedule.ts";
import type { RunMode } from "../providers/contract.ts";
import { type ScheduledJob, scheduledJobOptions } from "./jobCatalog.ts";
import { type PlannedSchedule, type SchedulePlan, scheduleId } from "./schedulePlan.ts";

/** A provider that was never loaded, or should have been long ago, has its first slot so soon, ms. */
const SOON_MS = 600_000;
/** More jobs than this are not looked through for doubles. */
const LOOKED_THROUGH = 10_000;

const aliveStates = new Set(["delayed", "waiting", "prioritized", "active", "waiting-children"]);

export interface ScheduleRepair {
  schedule: string;
  repair: "made" | "changed" | "removed" | "restored" | "next run restored" | "double removed";
}

export interface ScheduleKeeperOptions {
  redis: Redis;
  queue: Queue;
  plan: SchedulePlan;
  /** When the provider was last verified by such a run; null: never. */
  lastDone(provider: string, mode: RunMode): Promise<string | null>;
}

type Wanted = { id: string; provider: string; mode: RunMode; schedule: Schedule };

export class ScheduleKeeper {
  readonly #o: ScheduleKeeperOptions;

  constructor(options: ScheduleKeeperOptions) {
    this.#o = options;
  }

  async keep(plan: PlannedSchedule[]): Promise<ScheduleRepair[]> {
    const repairs: ScheduleRepair[] = [];
    const known = await this.#o.plan.slots();
    const wanted = new Map<string, Wanted>();
    for (const { schedule, ...which } of plan) {
      const id = scheduleId(which);
      if (schedule !== "off") wanted.set(id, { id, ...which, schedule });
    }
    for (const one of wanted.values()) {
      const repair = await this.#keepOne(one, known.get(one.id));
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
    // Last: a crash before leaves them known, and to be removed.
    for (const id of unwanted) await this.#o.plan.forget(id);
    return repairs;
  }

  async #keepOne(
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
    const job = await queue.getJob(jobIdOf(id, found.next));
    if (job && aliveStates.has(await job.getState())) return undefined;
    // Taken and followed by the next one between our two looks.
    if ((await this.#scheduler(id))?.next !== found.next) return undefined;
    await queue.removeJobScheduler(id);
    await this.#make(wanted, found.next);
    return "next run restored";
  }

  async #scheduler(id: string): Promise<(JobSchedulerJson & { next: number }) | undefined> {
    const found = await this.#o.queue.getJobScheduler(id);
    // Either half of it may have been lost.
    return typeof found?.next === "number" ? { ...found, next: found.next } : undefined;
  }

  /** @param slot ms; one that is over is caught up now, undefined leaves it to the cron expression */
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

  /** What is left of a job that its scheduler has lost would keep its successor from its place. */
  async #clearPlace(id: string, slot: number): Promise<void> {
    const job = await this.#o.queue.getJob(jobIdOf(id, slot));
    // BullMQ refuses when the job is being worked on, or another pod has made the scheduler anew meanwhile.
    await job?.remove().catch(() => undefined);
  }

  /** An interval counts from the last success; cron expressions know their times themselves. */
  async #firstSlot({ provider, mode, schedule }: Wanted): Promise<number | undefined> {
    if (!("every" in schedule)) return undefined;
    const now = Date.now();
    const done = await this.#o.lastDone(provider, mode);
    // A provider that was never loaded has its full load from the incremental schedule.
    if (done === null && mode === "full") return now + schedule.every;
    const due = done === null ? now : Date.parse(done) + schedule.every;
    const soon = now + Math.min(schedule.every, SOON_MS);
    return Math.min(Math.max(due, soon), now + schedule.every);
  }

  /** Jobs of a schedule beside its next one that nobody has taken yet; all of them where the schedule is gone. */
  async #removeDoubles(wanted: readonly string[], unwanted: readonly string[]): Promise<Set<string>> {
    const { queue, redis } = this.#o;
    const ids = [
      ...(await redis.zrange(queue.toKey("delayed"), "0", String(LOOKED_THROUGH))),
      ...(await redis.lrange(queue.toKey("wait"), 0, LOOKED_THROUGH)),
    ];
    const removed = new Set<string>();
    for (const jobId of ids) {
      const own = ofSchedule(jobId);
      if (own === undefined) continue;
      const isUnwanted = unwanted.includes(own.id);
      if (!isUnwanted && !wanted.includes(own.id)) continue;
      if (!isUnwanted && (await this.#scheduler(own.id))?.next === own.slot) continue;
      const job = await queue.getJob(jobId);
      // One that was taken and waits for the open run to end stays, unless its schedule is gone.
      if (!job || (job.attemptsStarted > 0 && !isUnwanted)) continue;
      // BullMQ refuses when it has become the scheduler's next one meanwhile, or is being worked on.
      const gone = await job.remove().then(
        () => true,
        () => false,
      );
      if (gone) removed.add(own.id);
    }
    return removed;
  }
}

const jobIdOf = (id: string, slot: number): string => `repeat:${id}:${slot}`;

function ofSchedule(jobId: string): { id: string; slot: number } | undefined {
  const match = /^repeat:(uee-[a-z][a-z0-9]*-(?:incremental|full)):(\d+)$/.exec(jobId);
  return match ? { id: match[1]!, slot: Number(match[2]) } : undefined;
}

const isSame = (a: Schedule, b: Schedule): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Is the scheduler that was found the one that is wanted? */
function fits(found: JobSchedulerJson, { provider, mode, schedule }: Wanted): boolean {
  const data = found.template?.data as Partial<ScheduledJob> | undefined;
  const times =
    "every" in schedule
      ? found.every === schedule.every && !found.pattern
      : found.pattern === schedule.cron && found.tz === "UTC" && !found.every;
  return times && found.name === "scheduled" && data?.provider === provider && data.mode === mode;
}
