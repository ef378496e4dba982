/** A worker's part in the fleet's schedules: says its plan, and keeps the one that holds. */
import type { Logger } from "../core/logger.ts";
import type { PlannedSchedule, SchedulePlan } from "../queues/schedulePlan.ts";
import type { ScheduleReconciler } from "../queues/scheduleReconciler.ts";

export class FleetSchedules {
  readonly #plan: SchedulePlan;
  readonly #reconciler: ScheduleReconciler;
  readonly #mine: PlannedSchedule[];
  readonly #logger: Logger;
  #since: number | undefined;

  constructor(parts: {
    plan: SchedulePlan;
    reconciler: ScheduleReconciler;
    mine: PlannedSchedule[];
    logger: Logger;
  }) {
    this.#plan = parts.plan;
    this.#reconciler = parts.reconciler;
    this.#mine = parts.mine;
    this.#logger = parts.logger;
  }

  /** To be called again and again: a word that is not renewed lapses. */
  async keep(workerId: string): Promise<void> {
    this.#since ??= await this.#plan.now();
    const { plan, changed } = await this.#plan.claim(this.#mine, { id: workerId, since: this.#since });
    if (changed) {
      this.#logger.info(
        { event: "schedules", worker: workerId },
        "this worker's schedules hold for the fleet",
      );
    }
    for (const { schedule, repair } of await this.#reconciler.reconcile(plan)) {
      // Made, changed and removed as people wanted it; the rest was lost or doubled.
      const level = ["made", "changed", "removed"].includes(repair) ? "info" : "warn";
      this.#logger[level]({ event: "schedule_repair", schedule, repair }, `schedule ${schedule}: ${repair}`);
    }
  }
}
