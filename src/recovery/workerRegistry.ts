/** Which workers live: each says so every few seconds, by Redis TIME; on one machine the dead are told by their pid. */
import type { Redis } from "ioredis";
import type { Keys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";
import { isDead, type ProcessIdentity, thisProcess } from "./processIdentity.ts";

const beatScript = loadScript(new URL("./lua/beat-2.lua", import.meta.url));

const BEAT_MS = 3_000;
const HOLDS_MS = 10_000;
/** The facts of a dead worker are kept this long: its locks are recognised by them. */
const FORGET_MS = 600_000;

export interface WorkerFacts {
  id: string;
  process: ProcessIdentity;
  startedAt: string;
  /** Ids of this worker's BullMQ workers: their lock tokens begin with one of them. */
  lockOwners: string[];
}

export interface RegisteredWorker extends WorkerFacts {
  /** ms by Redis TIME until which its word holds. */
  expires: number;
  alive: boolean;
}

export class WorkerRegistry {
  /** A beat's word holds this long, ms. */
  static readonly holdsMs = HOLDS_MS;
  readonly #redis: Redis;
  readonly #keys: Keys;
  #timer: NodeJS.Timeout | undefined;
  #mine: WorkerFacts | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async register(worker: Omit<WorkerFacts, "process">): Promise<void> {
    this.#mine = { ...worker, process: thisProcess() };
    await this.beat();
    this.#timer = setInterval(() => {
      // A beat that fails is missed; the next one comes.
      this.beat().catch(() => undefined);
    }, BEAT_MS);
    this.#timer.unref();
  }

  async beat(): Promise<void> {
    if (!this.#mine) return;
    await beatScript.run(
      this.#redis,
      [this.#keys.workers, this.#keys.workerFacts],
      [this.#mine.id, JSON.stringify(this.#mine), HOLDS_MS, FORGET_MS],
    );
  }

  async unregister(): Promise<void> {
    clearInterval(this.#timer);
    const id = this.#mine?.id;
    this.#mine = undefined;
    if (id === undefined) return;
    await this.#redis.zrem(this.#keys.workers, id);
    await this.#redis.hdel(this.#keys.workerFacts, id);
  }

  /** Everyone known, the dead included. */
  async all(): Promise<RegisteredWorker[]> {
    const [time, scores, facts] = await Promise.all([
      this.#redis.time(),
      this.#redis.zrangebyscore(this.#keys.workers, "-inf", "+inf", "WITHSCORES"),
      this.#redis.hgetall(this.#keys.workerFacts),
    ]);
    const now = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000);
    const found: RegisteredWorker[] = [];
    for (let i = 0; i + 1 < scores.length; i += 2) {
      const text = facts[scores[i]!];
      if (text === undefined) continue;
      const worker = JSON.parse(text) as WorkerFacts;
      const expires = Number(scores[i + 1]);
      found.push({ ...worker, expires, alive: expires > now && !isDead(worker.process) });
    }
    return found;
  }

  async live(): Promise<RegisteredWorker[]> {
    return (await this.all()).filter((worker) => worker.alive);
  }
}
