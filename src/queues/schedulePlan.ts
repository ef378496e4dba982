/** What the fleet stores about its schedules beside BullMQ: the plan that holds, and each schedule's next and last slot. */
import type { Redis } from "ioredis";
import type { Schedule, ScheduleSetting } from "../core/schedule.ts";
import type { RunMode } from "../providers/contract.ts";
import { loadScript } from "../redis/scripts.ts";
import { tick } from "../redis/time.ts";

const claimScript = loadScript(new URL("./lua/claimPlan-1.lua", import.meta.url));

/** A worker renews its claim every 15 s; a claim that missed four renewals has expired. */
const PLAN_HOLDS_MS = 60_000;

export interface PlannedSchedule {
  provider: string;
  mode: RunMode;
  schedule: ScheduleSetting;
}

/** Kept so that a scheduler that is lost comes back at the slot that it had. */
export interface KnownSlot {
  schedule: Schedule;
  /** ms. */
  next: number;
}

/** What became of a schedule's slot. */
export interface TakenSlot {
  /** ISO. */
  at: string;
  /** The slot opened a run or joined the open one; paused: the provider was paused and nothing happened. */
  outcome: "opened" | "joined" | "paused";
  runId: string | null;
}

/** Name of a schedule, and of its BullMQ scheduler. It contains no outside text. */
export const scheduleId = ({ provider, mode }: Pick<PlannedSchedule, "provider" | "mode">): string =>
  `uee-${provider}-${mode}`;

export class SchedulePlan {
  readonly #redis: Redis;
  readonly #key: string;

  constructor(redis: Redis, key: string) {
    this.#redis = redis;
    this.#key = key;
  }

  /** When a worker started, µs: later than every worker before it, even when Redis' clock went back. */
  now(): Promise<number> {
    return tick(this.#redis, this.#key);
  }

  /** The plan that holds: the caller's own when the caller is the live worker that started last. */
  async claim(
    plan: PlannedSchedule[],
    by: { id: string; since: number },
  ): Promise<{ plan: PlannedSchedule[]; changed: boolean }> {
    const args = [JSON.stringify(plan), by.since, by.id, PLAN_HOLDS_MS];
    const [text, changed] = (await claimScript.run(this.#redis, [this.#key], args)) as [string, number];
    return { plan: JSON.parse(text) as PlannedSchedule[], changed: changed === 1 };
  }

  /** Null before the first worker. */
  async read(): Promise<PlannedSchedule[] | null> {
    const text = await this.#redis.hget(this.#key, "plan");
    return text === null ? null : (JSON.parse(text) as PlannedSchedule[]);
  }

  /** Schedule id → next slot, of all schedules that were made and not removed. */
  slots(): Promise<Map<string, KnownSlot>> {
    return this.#fields<KnownSlot>("slot:");
  }

  async remember(id: string, slot: KnownSlot): Promise<void> {
    await this.#redis.hset(this.#key, `slot:${id}`, JSON.stringify(slot));
  }

  async forget(id: string): Promise<void> {
    await this.#redis.hdel(this.#key, `slot:${id}`);
  }

  taken(): Promise<Map<string, TakenSlot>> {
    return this.#fields<TakenSlot>("last:");
  }

  async took(id: string, slot: TakenSlot): Promise<void> {
    await this.#redis.hset(this.#key, `last:${id}`, JSON.stringify(slot));
  }

  async #fields<Value>(prefix: string): Promise<Map<string, Value>> {
    const all = Object.entries(await this.#redis.hgetall(this.#key));
    return new Map(
      all
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, text]) => [name.slice(prefix.length), JSON.parse(text) as Value]),
    );
  }
}
