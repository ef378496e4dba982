/**
 * Checks the fleet every few seconds, in whichever pod comes first. The result of a check is stored only if no other
 * check happened since it read, and only then is it executed: no decision is executed twice. docs/optimizer.md.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../../core/logger.ts";
import type { Keys } from "../../redis/keys.ts";
import { Rounds } from "../../redis/rounds.ts";
import { loadScripts } from "../../redis/scripts.ts";
import type { PermitPool } from "../permitPool.ts";
import {
  blankMemory,
  type Decision,
  decide,
  type OptimizerMemory,
  type OptimizerSettings,
  optimizerDefaults,
  type Sight,
} from "./decide.ts";
import {
  type FleetFigures,
  type KernelMetricsReader,
  keepKernelSample,
  p99,
  toKernelMetrics,
} from "./kernelMetrics.ts";
import { QUOTA_EVENTS_KEPT, quotaEventFields } from "./quotaEvents.ts";

const scripts = loadScripts(import.meta.url, ["remember-2"]);

export interface OptimizerServiceOptions {
  redis: Redis;
  keys: Keys;
  pool: Pick<PermitPool, "show" | "revoke" | "restore">;
  metrics: Pick<KernelMetricsReader, "figures">;
  logger: Logger;
  /** Id of the worker that decides. */
  actor: string;
  settings?: Partial<OptimizerSettings>;
}

export type CheckResult =
  | { kind: "checked"; decision: Decision; sight: Sight }
  /** The last check, of this pod or another one, is too recent. */
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
  readonly #rounds: Rounds;

  constructor(options: OptimizerServiceOptions) {
    this.#options = options;
    this.#settings = { ...optimizerDefaults, ...options.settings };
    const { intervalMs: everyMs } = this.#settings;
    const { logger } = options;
    this.#rounds = new Rounds({ everyMs, work: () => this.runOnce(), failed: "quota_check_failed", logger });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async runOnce(): Promise<CheckResult> {
    const { redis, keys, pool, metrics, actor, logger } = this.#options;
    const remembered = await this.#recall();
    const [figures, shown] = await Promise.all([metrics.figures(), pool.show({ holders: 0 })]);
    const { configured, effective, allocated } = shown;
    const sight: Sight = {
      nowMs: figures.nowMs,
      p99Ms: figures.p99Ms,
      freshP99Ms: freshP99(figures, remembered.samplesSeen),
      saturation: figures.saturation,
      pool: { size: configured ?? 0, effective, allocated },
    };
    const result = decide(remembered.memory, sight, this.#settings);
    if (result === undefined) return { kind: "too_soon" };
    const { decision, memory } = result;
    const event = decision.kind === "hold" ? [] : quotaEventFields(decision, sight, actor);
    const kept = [
      ...["breaches", memory.breaches, "coolUntilMs", memory.coolUntilMs],
      ...["checkedAtMs", memory.checkedAtMs, "samplesSeen", figures.samplesTaken, "actor", actor],
    ];
    const first = await scripts.remember.run(
      redis,
      [keys.optimizer, keys.quotaEvents],
      [remembered.version, QUOTA_EVENTS_KEPT, kept.length, ...kept, ...event],
    );
    if (Number(first) !== 1) return { kind: "lost" };
    await keepKernelSample(redis, keys, figures.nowMs, toKernelMetrics(figures, shown));
    const { kind, permits, reason } = decision;
    if (kind !== "hold") await pool[kind](permits, { actor, reason });
    const seen = { p99_latency_ms: sight.p99Ms, buffer_saturation: sight.saturation, ...sight.pool };
    const level = { hold: "debug", revoke: "warn", restore: "info" } as const;
    const line = { event: "quota_decision", decision: kind, permits, reason, ...seen, actor };
    logger[level[kind]](line, `permits: ${kind}, ${reason}`);
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
}

/** The 99th percentile of the samples since number `seen`. */
function freshP99({ samples, samplesTaken }: FleetFigures, seen: number): number | null {
  // Fewer samples than before: Redis lost some. The remaining ones count as new.
  const fresh = samplesTaken >= seen ? samplesTaken - seen : samples.length;
  return fresh === 0 || samples.length === 0 ? null : p99(samples.slice(0, fresh));
}
