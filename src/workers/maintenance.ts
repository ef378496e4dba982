/**
 * What a worker does at intervals beside its batches: mends what disagrees, keeps the schedules, takes jobs back from the
 * certainly dead, and ends its own batches when a person paused or stopped their provider. Safe at any time, from any
 * number of pods.
 */
import type { Logger } from "../core/logger.ts";
import type { QueueConsumer } from "../queues/consumer.ts";
import type { RunsQueue } from "../queues/runsQueue.ts";
import { sweepClosedRuns } from "../recovery/closedRuns.ts";
import { openReplays } from "../recovery/deadLetters/replays.ts";
import { sweepDeadLetters } from "../recovery/deadLetters/sweeper.ts";
import { reconcileRun } from "../recovery/reconciler.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import { isDead } from "../runs/processIdentity.ts";
import { type ActiveBatches, keyOf } from "./consumers.ts";
import type { ProviderContext } from "./context.ts";
import type { FleetSchedules } from "./fleetSchedules.ts";
import { StoreMigration } from "./storeMigration.ts";

const RECONCILE_MS = 15_000;
/** Every twentieth round looks through the failed set even where its counts agree with the dead letters. */
const THOROUGH_EVERY = 20;
/** How often jobs of processes that are known to be dead are looked for, and locks that last too long: a few small reads. */
const DEAD_HOLDERS_MS = 2_000;
/** How often a process with batches at work asks whether an operator paused or stopped them. */
const HEED_MS = 1_000;

export interface MaintenanceOptions {
  registry: WorkerRegistry;
  contexts: ProviderContext[];
  consumers: readonly QueueConsumer[];
  active: ActiveBatches;
  /** Nothing is mended behind a shut gate. */
  gate: TroubleGate;
  /** The queue `runs`, for a worker that takes its jobs. */
  runsQueue: Pick<RunsQueue, "resumeLeftPaused"> | undefined;
  /** Keeps the fleet's schedules. */
  schedules: FleetSchedules | undefined;
  workerId: string;
  logger: Logger;
}

export class Maintenance {
  readonly #o: MaintenanceOptions;
  readonly #migration: StoreMigration;
  #round = 0;
  #timers: NodeJS.Timeout[] = [];
  #reconciling: Promise<void> = Promise.resolve();

  constructor(options: MaintenanceOptions) {
    this.#o = options;
    this.#migration = new StoreMigration(options);
  }

  start(): void {
    const every = (ms: number, what: () => void) => this.#timers.push(setInterval(what, ms).unref());
    const migrate = () => void this.#quietly(() => this.#migration.run());
    migrate();
    every(RECONCILE_MS, () => {
      this.#reconciling = this.reconcile();
      migrate();
    });
    every(DEAD_HOLDERS_MS, () => void this.#quietly(() => this.#releaseDeadHolders()));
    every(HEED_MS, () => void this.#quietly(() => this.#heedPeople()));
  }

  /** Resolves when a round that is under way has ended. */
  stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#migration.stop();
    return this.#reconciling;
  }

  async reconcile(): Promise<void> {
    const thorough = this.#round++ % THOROUGH_EVERY === 0;
    await this.#quietly(async () => {
      const { contexts, logger } = this.#o;
      await this.#releaseDeadHolders();
      for (const context of contexts) await reconcileRun({ ...context, logger });
      for (const context of contexts) {
        const { governor, provider } = context;
        const swept = await sweepClosedRuns(context);
        const letters = await sweepDeadLetters(context, thorough);
        await openReplays(context);
        const repairs = [
          ...(await governor.align()),
          ...swept.map((runId) => `leftovers of ${runId}`),
          ...letters.map(({ letter, repair }) =>
            letter === "" ? repair : `dead letter ${letter}: ${repair}`,
          ),
        ];
        for (const repair of repairs) {
          logger.warn({ event: "repair", provider: provider.name, repair }, `repaired: ${repair}`);
        }
      }
    });
    await this.#quietly(async () => {
      if (!(await this.#o.runsQueue?.resumeLeftPaused())) return;
      const repair = "the queue `runs` was left paused";
      this.#o.logger.warn({ event: "repair", queue: "runs", repair }, `repaired: ${repair}`);
    });
    await this.#quietly(async () => this.#o.schedules?.keep(this.#o.workerId));
  }

  /**
   * Takes jobs back from processes that are certainly dead. Without this the batch of a killed worker would wait until
   * its lock expires and two stalled checks have run; with it the same command, given again on the same machine,
   * continues within a second.
   */
  async #releaseDeadHolders(): Promise<void> {
    const { registry, consumers, logger } = this.#o;
    let shortened = 0;
    for (const consumer of consumers) shortened += await consumer.shortenLocks();
    if (shortened > 0) {
      logger.warn({ event: "repair" }, "shortened locks that outlasted a step back of Redis' clock");
    }
    const dead = (await registry.all()).filter(({ process }) => isDead(process)).flatMap((w) => w.lockOwners);
    if (dead.length === 0) return;
    for (const consumer of consumers) {
      const released = await consumer.takeBackFrom(dead);
      if (released === 0) continue;
      const line = { event: "repair", queue: consumer.queue.name, released };
      logger.warn(line, "took jobs back from a dead process");
    }
  }

  /** A person paused or stopped a provider: its batches in this process end at their next safe point. */
  async #heedPeople(): Promise<void> {
    for (const context of this.#o.contexts) {
      const running = this.#o.active.under(keyOf(context.runs.keys.queue.name, ""));
      if (running.length === 0) continue;
      const reason = await context.governor.mustStop();
      if (reason) for (const abort of running) abort.abort(reason);
    }
  }

  /** The next round tries again; a batch in work has its own errors. */
  async #quietly(repairs: () => Promise<void>): Promise<void> {
    const { gate } = this.#o;
    if (gate.trouble !== undefined) return;
    try {
      await repairs();
    } catch (error) {
      if (gate.met(error)) return;
      const { code, message } = mapRedisError(error);
      this.#o.logger.warn({ event: "reconcile_failed", code }, message);
    }
  }
}
