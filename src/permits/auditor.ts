/**
 * Audits the permit pool every minute and repairs differences; any pod may do it first. The findings are kept for
 * operators and metrics. One audit is one script, so any number of pods may run it.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import type { Keys } from "../redis/keys.ts";
import { Rounds } from "../redis/rounds.ts";
import { takeTurn } from "../redis/turn.ts";
import type { PermitPool } from "./permitPool.ts";

const EVERY_MS = 60_000;
/** Slightly shorter than the interval, so that the next audit finds the turn free. */
const TURN_MS = 55_000;

export interface AuditHistory {
  /** Time of the last audit, ISO; null before the first. */
  at: string | null;
  audits: number;
  /** Findings of the last audit. */
  drift: number;
  /** Total findings of all audits, all repaired. */
  driftTotal: number;
}

export interface AuditorOptions {
  redis: Redis;
  keys: Keys;
  pool: PermitPool;
  actor: string;
  logger: Logger;
}

export class PermitAuditor {
  readonly #o: AuditorOptions;
  readonly #rounds: Rounds;

  constructor(options: AuditorOptions) {
    this.#o = options;
    const { logger } = options;
    const work = () => this.runOnce();
    this.#rounds = new Rounds({ everyMs: EVERY_MS, work, failed: "permit_audit_failed", logger });
  }

  start(): void {
    this.#rounds.start();
    this.#rounds.now();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Number of repaired findings; undefined when another pod has just audited. */
  async runOnce(): Promise<number | undefined> {
    const { redis, keys, pool, actor, logger } = this.#o;
    if (!(await takeTurn(redis, keys.permitAuditTurn, actor, TURN_MS))) return undefined;
    const report = await pool.audit({ repair: true, actor });
    await redis
      .multi()
      .hset(keys.permitAudits, { at: new Date(report.at).toISOString(), drift: report.drift })
      .hincrby(keys.permitAudits, "audits", 1)
      .hincrby(keys.permitAudits, "driftTotal", report.drift)
      .exec();
    if (report.drift > 0) {
      const { drift, findings } = report;
      logger.warn({ event: "repair", permits: true, drift, findings }, `permit pool: mended ${drift}`);
    }
    return report.drift;
  }
}

export async function auditHistory(redis: Redis, keys: Keys): Promise<AuditHistory> {
  const kept = await redis.hgetall(keys.permitAudits);
  return {
    at: kept.at ?? null,
    audits: Number(kept.audits ?? 0),
    drift: Number(kept.drift ?? 0),
    driftTotal: Number(kept.driftTotal ?? 0),
  };
}
