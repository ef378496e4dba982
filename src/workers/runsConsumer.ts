/**
 * The `runs` queue, into which any BullMQ client may put `{"provider","mode"}`, and into which the schedules put their
 * slots. A job completes when its run is open or joined; bad data fails it with a code.
 */
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { runJob } from "../queues/jobCatalog.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import type { TakenJob } from "../queues/takenJob.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { ProviderContext } from "./context.ts";
import { openGoverned } from "./openGoverned.ts";
import type { Outcome } from "./outcome.ts";
import { runScheduled } from "./scheduledRun.ts";
import { throughTrouble } from "./throughTrouble.ts";

/** A full run waits this long between looks at an open increment, ms; a scheduled one has no person waiting for it. */
const LOOK_AGAIN_MS = 1_000;
const SCHEDULED_LOOK_AGAIN_MS = 10_000;

export class RunsConsumer {
  readonly #contexts: Map<string, ProviderContext>;
  readonly #plan: SchedulePlan;
  readonly #gate: TroubleGate;
  readonly #logger: Logger;

  constructor(contexts: ProviderContext[], plan: SchedulePlan, gate: TroubleGate, logger: Logger) {
    this.#plan = plan;
    this.#gate = gate;
    this.#contexts = new Map(contexts.map((context) => [context.provider.name, context]));
    this.#logger = logger;
  }

  process(job: TakenJob, signal: AbortSignal): Promise<void> {
    const gate = this.#gate;
    return throughTrouble({ gate, job, signal, work: () => this.#work(job) });
  }

  async #work(job: TakenJob): Promise<Outcome> {
    const scheduled = job.name === "scheduled";
    try {
      const summary = scheduled
        ? await runScheduled(job, this.#contexts, this.#plan, this.#logger)
        : await this.#open(job);
      return { kind: "done", summary };
    } catch (thrown) {
      if (this.#gate.met(thrown)) throw thrown;
      const error = mapRedisError(thrown);
      if (error.code === "PROV_RUN_OPEN") {
        const delayMs = scheduled ? SCHEDULED_LOOK_AGAIN_MS : LOOK_AGAIN_MS;
        return { kind: "defer", delayMs, error };
      }
      this.#logger.warn({ event: "run_refused", jobId: job.id, code: error.code }, error.message);
      return { kind: "dead", error };
    }
  }

  async #open(job: TakenJob): Promise<{ runId: string }> {
    if (job.name !== "run")
      throw new UeeError("RPC_JOB_UNKNOWN", `There is no job '${job.name}'; send 'run'.`);
    const parsed = runJob.safeParse(job.data);
    if (!parsed.success) {
      const wrong = parsed.error.issues.map((i) => `${i.path.join(".") || "data"}: ${i.message}`).join("; ");
      throw new UeeError("RPC_JOB_INVALID", wrong);
    }
    const context = this.#contexts.get(parsed.data.provider);
    if (!context) {
      const known = [...this.#contexts.keys()].join(", ");
      throw new UeeError(
        "PROV_UNKNOWN",
        `There is no provider '${parsed.data.provider}'; there are ${known}.`,
      );
    }
    const opened = await openGoverned(context, {
      mode: parsed.data.mode,
      allowShrink: parsed.data.allowShrink ?? false,
      allowOlder: parsed.data.allowOlder ?? false,
      actor: { kind: "script", name: parsed.data.actor ?? "job" },
      ...(parsed.data.reason === undefined ? {} : { reason: parsed.data.reason }),
    });
    return { runId: opened.runId };
  }
}
