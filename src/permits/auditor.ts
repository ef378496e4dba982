/**
 * Audits the permit pool every minute and mends what disagrees, whichever pod comes first; what it found is kept for people
 * and metrics. One audit is one script: any number of pods may do it.
 */
import type { Redis } from "ioredis";
import type { Logger } from "../core/logger.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { Keys } from "../redis/keys.ts";
import type { PermitPool } from "./permitPool.ts";

const EVERY_MS = 60_000;
/** The next audit comes a little later than the others' turn is kept. */
const TURN_MS = 55_000;

export interface AuditHistory {
  /** When it was last audited, ISO; null when never. */
  at: string | null;
  audits: number;
  /** Findings of the last audit. */
  drift: number;
  /** Findings of all audits, mended ones. */
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
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> | undefined;

  constructor(options: AuditorOptions) {
    this.#o = options;
  }

  start(): void {
    const round = () => {
      this.#running ??= this.runOnce()
        .catch((error: unknown) => {
          // An audit that fails is missed; the next one comes.
          const { code, message } = mapRedisError(error);
          this.#o.logger.debug({ event: "permit_audit_failed", code }, message);
        })
        .finally(() => {
          this.#running = undefined;
        });
    };
    this.#timer ??= setInterval(round, EVERY_MS).unref();
    round();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  /** Findings that were mended; undefined when another pod's audit is fresh. */
  async runOnce(): Promise<number | undefined> {
    const { redis, keys, pool, actor, logger } = this.#o;
    const turn = keys.permitAuditTurn;
    if ((await redis.set(turn, actor, "PX", TURN_MS, "NX")) === null) {
      // A turn that lasts longer than one can was taken before Redis' clock went back.
      if ((await redis.pttl(turn)) > TURN_MS) await redis.pexpire(turn, TURN_MS);
      return undefined;
    }
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
