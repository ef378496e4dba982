/**
 * Which workers live, and what each last reported. All times are Redis TIME. On the same machine a dead worker is also
 * recognised by its pid.
 *
 * A worker renews its registration every few seconds (LIVE_MS), so that the fleet soon works without a dead one. Every
 * HEARTBEAT_MS it measures itself again and reports that with the same call. A worker that misses three heartbeats counts as
 * dead.
 */
import type { Redis } from "ioredis";
import type { Keys } from "../redis/keys.ts";
import { fieldsOf } from "../redis/newestFirst.ts";
import { loadScripts } from "../redis/scripts.ts";
import { isDead, type ProcessIdentity } from "../runs/processIdentity.ts";
import type { WorkerHealth, WorkerState, WorkerView, WorkerVitals } from "./workerView.ts";

const scripts = loadScripts(import.meta.url, ["beat-3", "workers-3"]);

/** How often a worker renews its registration, and how long each holds. */
export const LIVE_MS = 3_000;
const HOLDS_MS = 10_000;
export const HEARTBEAT_MS = 10_000;
/** A heartbeat is missed when it is so late: a busy second is none. */
const LATE_MS = 2_000;
const DEAD_AFTER_BEATS = 3;
/** The facts of a dead worker are kept this long: its locks are recognised by them. */
const FORGET_MS = 600_000;

export interface WorkerFacts {
  id: string;
  process: ProcessIdentity;
  startedAt: string;
  version: string;
  /** The schema version of the store that it works on; absent of workers before version 2. */
  schema?: number;
  state: WorkerState;
  /** Ids of this worker's BullMQ workers: their lock tokens begin with one of them. */
  lockOwners: string[];
  /** Whose batches it takes, and whether it takes jobs of the queue `runs`. */
  serves: { providers: string[]; runs: boolean };
  vitals: WorkerVitals | null;
  /** How its process ended, as its supervisor reported. */
  ended?: string;
}

export interface RegisteredWorker extends WorkerFacts {
  /** ms by Redis TIME until which its registration holds. */
  expires: number;
  /** ms by Redis TIME. */
  lastBeat: number;
  missedBeats: number;
  health: WorkerHealth;
  /** Its registration holds and its process is not known to be gone. */
  alive: boolean;
}

export class WorkerRegistry {
  /** A worker's registration holds this long, ms. */
  static readonly holdsMs = HOLDS_MS;
  /** A dead worker is remembered this long, ms. */
  readonly forgetsAfterMs = FORGET_MS;
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `heartbeat`: what the facts tell was measured just now. */
  async beat(worker: WorkerFacts, { heartbeat }: { heartbeat: boolean }): Promise<void> {
    const { workers, workerFacts, workerBeats } = this.#keys;
    await scripts.beat.run(
      this.#redis,
      [workers, workerFacts, workerBeats],
      [worker.id, JSON.stringify(worker), HOLDS_MS, FORGET_MS, heartbeat ? "1" : "0"],
    );
  }

  /** The supervisor of a worker's process says how it ended. A worker that withdrew is forgotten already. */
  async noteEnd(id: string, how: string): Promise<void> {
    const text = await this.#redis.hget(this.#keys.workerFacts, id);
    if (text === null) return;
    const facts: WorkerFacts = { ...(JSON.parse(text) as WorkerFacts), ended: how };
    await this.#redis.hset(this.#keys.workerFacts, id, JSON.stringify(facts));
  }

  async withdraw(id: string): Promise<void> {
    await this.#redis.zrem(this.#keys.workers, id);
    await this.#redis.hdel(this.#keys.workerFacts, id);
    await this.#redis.hdel(this.#keys.workerBeats, id);
  }

  /** Everyone known, the dead included. */
  async all(): Promise<RegisteredWorker[]> {
    const { workers, workerFacts, workerBeats } = this.#keys;
    const reply = await scripts.workers.run(this.#redis, [workers, workerFacts, workerBeats], [HOLDS_MS]);
    const [now, scores, ...hashes] = reply as [number, string[], string[], string[]];
    const [facts, beats] = hashes.map(fieldsOf) as [Record<string, string>, Record<string, string>];
    return Object.entries(fieldsOf(scores)).flatMap(([id, until]) => {
      const text = facts[id];
      if (text === undefined) return [];
      const worker = JSON.parse(text) as WorkerFacts;
      const expires = Number(until);
      const lastBeat = Number(beats[id] ?? expires - HOLDS_MS);
      return [{ ...worker, expires, lastBeat, ...healthOf(worker, { now, expires, lastBeat }) }];
    });
  }

  async live(): Promise<RegisteredWorker[]> {
    return (await this.all()).filter((worker) => worker.alive);
  }
}

/** Heartbeats that were due by now and did not come. */
const missedBeats = (ageMs: number): number => Math.max(0, Math.floor((ageMs - LATE_MS) / HEARTBEAT_MS));

function healthOf(
  worker: WorkerFacts,
  at: { now: number; expires: number; lastBeat: number },
): Pick<RegisteredWorker, "missedBeats" | "health" | "alive"> {
  const missed = missedBeats(at.now - at.lastBeat);
  const wordHolds = at.expires > at.now;
  const gone = worker.ended !== undefined || isDead(worker.process);
  if (gone || missed >= DEAD_AFTER_BEATS) return { missedBeats: missed, health: "dead", alive: false };
  return { missedBeats: missed, health: wordHolds && missed === 0 ? "live" : "late", alive: wordHolds };
}

export const toWorkerView = (worker: RegisteredWorker): WorkerView => ({
  id: worker.id,
  host: worker.process.host,
  pid: worker.process.pid,
  version: worker.version,
  startedAt: worker.startedAt,
  state: worker.state,
  health: worker.health,
  missedBeats: worker.missedBeats,
  lastBeatAt: new Date(worker.lastBeat).toISOString(),
  ended: worker.ended ?? null,
  vitals: worker.vitals,
});
