/**
 * Checks the fleet every few seconds, in one elected pod. The election is a lease, but safety does not depend on it:
 * the result of a check is stored only if no other check happened since it read, and only then is it executed.
 *
 * A crash between storing and executing leaves a decision that is published but not executed. A revocation is then
 * decided again after the cool-down if it is still needed, a return at the next healthy check. No decision is
 * executed twice.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { Logger } from "../../core/logger.ts";
import { mapRedisError } from "../../redis/errors.ts";
import type { Keys } from "../../redis/keys.ts";
import { loadScripts } from "../../redis/scripts.ts";
import {
  blankMemory,
  type Decision,
  decide,
  type OptimizerMemory,
  type OptimizerSettings,
  optimizerDefaults,
  type Sight,
} from "./decide.ts";
import { keepKernelSample } from "./kernelHistory.ts";
import {
  type FleetFigures,
  type GovernedPool,
  type KernelMetricsReader,
  p99,
  toKernelMetrics,
} from "./kernelMetrics.ts";
import { QUOTA_EVENTS_KEPT, quotaEventFields } from "./quotaEvents.ts";

const scripts = loadScripts(import.meta.url, ["lead-1", "resign-1", "remember-3"]);

export interface OptimizerServiceOptions {
  redis: Redis;
  keys: Keys;
  pool: GovernedPool;
  metrics: Pick<KernelMetricsReader, "figures">;
  logger: Logger;
  /** Id of the worker that decides. */
  actor: string;
  settings?: Partial<OptimizerSettings>;
  /** A dead elected pod is replaced after this long, ms. Default: two and a half checks. */
  leaseMs?: number;
}

export type CheckResult =
  | { kind: "checked"; decision: Decision; sight: Sight }
  /** Another pod is elected. */
  | { kind: "not_elected" }
  /** Another check has just happened. */
  | { kind: "too_soon" }
  /** Another pod was first. */
  | { kind: "lost" };

interface Remembered {
  version: string;
  memory: OptimizerMemory;
  samplesSeen: number;
}

export class OptimizerService {
  readonly #options: OptimizerServiceOptions;
  readonly #settings: OptimizerSettings;
  readonly #token = randomUUID();
  readonly #leaseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: OptimizerServiceOptions) {
    this.#options = options;
    this.#settings = { ...optimizerDefaults, ...options.settings };
    this.#leaseMs = options.leaseMs ?? this.#settings.intervalMs * 2.5;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      this.#running ??= this.#round().finally(() => {
        this.#running = undefined;
      });
    }, this.#settings.intervalMs);
    this.#timer.unref();
  }

  /** Releases the lease, so that another pod is elected at once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#running;
    const { redis, keys } = this.#options;
    await scripts.resign.run(redis, [keys.optimizerLease], [this.#token]).catch(() => undefined);
  }

  async runOnce(): Promise<CheckResult> {
    const { redis, keys, pool, metrics, actor, logger } = this.#options;
    const elected = await scripts.lead.run(
      redis,
      [keys.optimizerLease],
      [this.#token, Math.ceil(this.#leaseMs)],
    );
    if (Number(elected) !== 1) return { kind: "not_elected" };
    const remembered = await this.#recall();
    const [figures, shown] = await Promise.all([metrics.figures(), pool.show()]);
    const { size, effective, allocated } = shown;
    const sight: Sight = {
      nowMs: figures.nowMs,
      p99Ms: figures.p99Ms,
      freshP99Ms: freshP99(figures, remembered.samplesSeen),
      saturation: figures.saturation,
      pool: { size, effective, allocated },
    };
    const judged = decide(remembered.memory, sight, this.#settings);
    if (judged === undefined) return { kind: "too_soon" };
    const { decision, memory } = judged;
    const event = decision.kind === "hold" ? [] : quotaEventFields(decision, sight, actor);
    const kept = [
      ...["breaches", memory.breaches, "coolUntilMs", memory.coolUntilMs],
      ...["checkedAtMs", memory.checkedAtMs, "samplesSeen", figures.samplesTaken, "actor", actor],
    ];
    const first = await scripts.remember.run(
      redis,
      [keys.optimizer, keys.quotaEvents, keys.optimizerLease],
      [this.#token, remembered.version, QUOTA_EVENTS_KEPT, kept.length, ...kept, ...event],
    );
    if (Number(first) !== 1) return { kind: "lost" };
    await keepKernelSample(redis, keys, figures.nowMs, toKernelMetrics(figures, shown));
    if (decision.kind === "revoke") await pool.revoke(decision.permits, decision.reason);
    if (decision.kind === "restore") await pool.restore(decision.permits, decision.reason);
    const line = {
      event: "quota_decision",
      decision: decision.kind,
      permits: decision.permits,
      reason: decision.reason,
      p99_latency_ms: sight.p99Ms,
      buffer_saturation: sight.saturation,
      ...sight.pool,
      actor,
    };
    const level = decision.kind === "hold" ? "debug" : decision.kind === "revoke" ? "warn" : "info";
    logger[level](line, `permits: ${decision.kind}, ${decision.reason}`);
    return { kind: "checked", decision, sight };
  }

  async #recall(): Promise<Remembered> {
    const h = await this.#options.redis.hgetall(this.#options.keys.optimizer);
    const number = (name: keyof OptimizerMemory): number => Number(h[name] ?? blankMemory[name]);
    return {
      version: h.version ?? "0",
      samplesSeen: Number(h.samplesSeen ?? 0),
      memory: {
        breaches: number("breaches"),
        coolUntilMs: number("coolUntilMs"),
        checkedAtMs: number("checkedAtMs"),
      },
    };
  }

  async #round(): Promise<void> {
    try {
      await this.runOnce();
    } catch (error) {
      // A failed check is skipped; the next one follows.
      const { code, message } = mapRedisError(error);
      this.#options.logger.debug({ event: "quota_check_failed", code }, message);
    }
  }
}

/** The 99th percentile of the samples since number `seen`. */
function freshP99({ samples, samplesTaken }: FleetFigures, seen: number): number | null {
  // Fewer samples than before: Redis lost some. The remaining ones count as new.
  const fresh = samplesTaken >= seen ? samplesTaken - seen : samples.length;
  return fresh === 0 || samples.length === 0 ? null : p99(samples.slice(0, fresh));
}
