/**
 * Batches that kill the process that works on them (law 5): after three deaths a batch becomes a dead letter.
 * docs/dead-letters.md says which deaths count.
 *
 * An attempt marks its batch as at work in the step that takes its fence, and the mark goes with the checkpoint, the dead
 * letter, any other end of the attempt, or when the attempt is told to end. A mark that the next attempt finds was left by
 * a process that did not get that far. A process that comes back takes its name off the list.
 */
import type { Redis } from "ioredis";
import type { Attempt } from "../../records/contract.ts";
import { readInfo } from "../../redis/info.ts";
import type { ProviderKeys } from "../../redis/keys.ts";
import { loadScripts } from "../../redis/scripts.ts";
import { redisMs } from "../../redis/time.ts";
import { accepted } from "../../runs/batches.ts";
import { isDead, processKey, processOf } from "../../runs/processIdentity.ts";
import type { WorkerRegistry } from "../workerRegistry.ts";

const scripts = loadScripts(import.meta.url, ["noteDeath-4", "startWork-3", "endWork-2"]);

const ENOUGH = 3;
/** Further deaths that are asked for where processes die of something else. */
const FURTHER_AT_MOST = 2;
/** For how long a death that no batch explains speaks for all batches, and for how long it is remembered, ms. */
const SPEAKS_FOR_MS = 900_000;
const REMEMBERED_MS = 3_600_000;
/** Redis tells its uptime in whole seconds. */
const UPTIME_STEP_MS = 1_000;

export interface BatchDeath {
  process: string;
  /** ms by Redis TIME at which it was noticed. */
  at: number;
  /** How it ended, where its supervisor knew; else empty. */
  how: string;
}

export interface Suspicion {
  deaths: BatchDeath[];
  /** So many that the batch is given up. */
  enough: boolean;
}

export class BatchDeaths {
  readonly #redis: Redis;
  readonly #keys: ProviderKeys;
  readonly #registry: WorkerRegistry;

  constructor(redis: Redis, keys: ProviderKeys, registry: WorkerRegistry) {
    this.#redis = redis;
    this.#keys = keys;
    this.#registry = registry;
  }

  /** Classifies what an earlier attempt left (`left`: its mark), and returns what is held against the batch now. */
  async examine({ runId, batchKey }: Attempt, left: string | null): Promise<Suspicion> {
    const run = this.#keys.run(runId);
    const died = left === null ? undefined : await this.#deathOf(left);
    const nowMs = await redisMs(this.#redis);
    const [count, needed, deaths] = (await scripts.noteDeath.run(
      this.#redis,
      [run.work, run.deaths, this.#keys.processDeaths, run.status],
      [
        ...[batchKey, left ?? "", died?.process ?? "", nowMs, died?.how ?? ""],
        ...[ENOUGH, FURTHER_AT_MOST, SPEAKS_FOR_MS, REMEMBERED_MS],
      ],
    )) as [number, number, string];
    return { deaths: JSON.parse(deaths) as BatchDeath[], enough: count >= needed };
  }

  /** The batch is at work from here on. For an attempt that `begin` did not mark. */
  async start({ runId, batchKey, fence }: Attempt): Promise<void> {
    const run = this.#keys.run(runId);
    const args = [batchKey, fence, processKey()];
    accepted(
      Number(await scripts.startWork.run(this.#redis, [run.run, run.fences, run.work], args)),
      "the start",
    );
  }

  /** The attempt is over, or told to end, and this process lives. */
  async end({ runId, batchKey, fence }: Attempt): Promise<void> {
    const run = this.#keys.run(runId);
    await scripts.endWork.run(this.#redis, [run.work, run.deaths], [batchKey, fence, processKey()]);
  }

  /** Undefined unless the process that left this mark died, and Redis did not restart meanwhile. */
  async #deathOf(mark: string): Promise<{ process: string; how: string } | undefined> {
    const bar = mark.indexOf("|");
    const begunMs = Number(mark.slice(0, bar)) / 1000;
    const process = mark.slice(bar + 1);
    const identity = processOf(process);
    const workers = (await this.#registry.all()).filter(
      (worker) => JSON.stringify(worker.process) === process,
    );
    // On another machine only its silence tells; one that is no longer registered has been silent for ten minutes.
    const silent = workers.length > 0 && workers.every(({ alive }) => !alive);
    const how = workers.find(({ ended }) => ended !== undefined)?.ended ?? "";
    const dead =
      isDead(identity) || how !== "" || silent || (await this.#isForgotten(workers.length, begunMs));
    if (!dead || (await this.#redisRestartedSince(begunMs))) return undefined;
    return { process, how };
  }

  async #isForgotten(workers: number, begunMs: number): Promise<boolean> {
    if (workers > 0) return false;
    const nowMs = await redisMs(this.#redis);
    return nowMs - begunMs > this.#registry.forgetsAfterMs;
  }

  async #redisRestartedSince(ms: number): Promise<boolean> {
    const info = await readInfo(this.#redis);
    const uptime = Number(info?.uptime_in_seconds ?? Number.NaN);
    if (!Number.isFinite(uptime)) return false;
    const nowMs = await redisMs(this.#redis);
    return nowMs - uptime * 1000 + UPTIME_STEP_MS > ms;
  }
}

/** `host-1:4711 (was ended by SIGKILL)`, one after the other, for the message of the dead letter. */
export function describeDeaths(deaths: readonly BatchDeath[]): string {
  return deaths
    .map(({ process, how }) => {
      const { host, pid } = processOf(process);
      return `${host}:${pid}${how === "" ? "" : ` (${how})`}`;
    })
    .join(", ");
}
