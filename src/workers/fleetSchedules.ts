/** A worker's part in the fleet's schedules: claims its plan, and keeps the one that holds. */
import type { Logger } from "../core/logger.ts";
import type { PlannedSchedule, SchedulePlan } from "../queues/schedulePlan.ts";
import type { ScheduleReconciler } from "../queues/scheduleReconciler.ts";

interface Parts {
  plan: SchedulePlan;
  reconciler: ScheduleReconciler;
  mine: PlannedSchedule[];
  logger: Logger;
}

export class FleetSchedules {
  readonly #o: Parts;
  #since: number | undefined;

  constructor(options: Parts) {
    this.#o = options;
  }

  /** To be called again and again: a claim that is not renewed expires. */
  async keep(workerId: string): Promise<void> {
    const { reconciler, mine, logger } = this.#o;
    this.#since ??= await this.#o.plan.now();
    const { plan, changed } = await this.#o.plan.claim(mine, { id: workerId, since: this.#since });
    if (changed)
      logger.info({ event: "schedules", worker: workerId }, "this worker's schedules hold for the fleet");
    for (const { schedule, repair } of await reconciler.reconcile(plan)) {
      // An operator wanted these three; every other repair is of a schedule that was lost or doubled.
      const level = ["made", "changed", "removed"].includes(repair) ? "info" : "warn";
      logger[level]({ event: "schedule_repair", schedule, repair }, `schedule ${schedule}: ${repair}`);
    }
  }
}
