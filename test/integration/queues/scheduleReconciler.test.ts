import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { silentLogger } from "../../../src/core/logger.ts";
import { type PlannedSchedule, SchedulePlan } from "../../../src/queues/schedulePlan.ts";
import { ScheduleReconciler } from "../../../src/queues/scheduleReconciler.ts";
import { FleetSchedules } from "../../../src/workers/fleetSchedules.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { ageSchedule, runsQueueOf, slotsOf } from "../../support/schedules.ts";

const HOUR = 3_600_000;
const twoHourly = { provider: "cve", mode: "incremental", schedule: { every: 2 * HOUR } } as const;
const nightly = { provider: "cwe", mode: "incremental", schedule: { cron: "30 3 * * *" } } as const;
const id = "uee-cve-incremental";
const cronId = "uee-cwe-incremental";

let server: TestRedis;
let redis: Redis;
let queue: Queue;
let plan: SchedulePlan;
let done: string | null;
let reconciler: ScheduleReconciler;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  queue = runsQueueOf(server.url);
  plan = new SchedulePlan(redis, "{uee}:schedules");
  done = new Date(Date.now() - HOUR).toISOString();
  reconciler = new ScheduleReconciler({ redis, queue, plan, lastDone: async () => done });
});
afterEach(() => queue.close());

const keep = (...schedules: PlannedSchedule[]) => reconciler.reconcile(schedules);
const nextOf = async (schedule: string): Promise<number> => (await queue.getJobScheduler(schedule))!.next!;

/** The one thing that must hold after every look. */
async function expectOneNextRun(schedule: string): Promise<void> {
  expect(await slotsOf(queue, schedule)).toEqual([`repeat:${schedule}:${await nextOf(schedule)}`]);
}

describe("the first slot", () => {
  test("of an interval counts from the last success", async () => {
    expect(await keep(twoHourly)).toEqual([{ schedule: id, repair: "made" }]);
    expect(Math.abs((await nextOf(id)) - Date.now() - HOUR)).toBeLessThan(60_000);
    await expectOneNextRun(id);
  });

  test("comes in ten minutes where the last success is long ago, or there never was one", async () => {
    done = "2020-01-01T00:00:00.000Z";
    await keep(twoHourly);
    expect(Math.abs((await nextOf(id)) - Date.now() - 600_000)).toBeLessThan(60_000);
    done = null;
    await keep({ ...twoHourly, provider: "capec" });
    expect(Math.abs((await nextOf("uee-capec-incremental")) - Date.now() - 600_000)).toBeLessThan(60_000);
  });

  test("of a full run of a provider that was never loaded leaves that to the incremental schedule", async () => {
    done = null;
    await keep({ ...twoHourly, mode: "full", schedule: { every: 168 * HOUR } });
    expect(Math.abs((await nextOf("uee-cve-full")) - Date.now() - 168 * HOUR)).toBeLessThan(60_000);
  });

  test("of a cron expression is its next time in UTC", async () => {
    await keep(nightly);
    const next = new Date(await nextOf(cronId));
    expect(next.toISOString()).toMatch(/T03:30:00\.000Z$/);
    expect(next.getTime() - Date.now()).toBeLessThanOrEqual(24 * HOUR);
    await expectOneNextRun(cronId);
  });
});

describe("every schedule has exactly one next run, at the time that it had,", () => {
  let next: number;
  let cronNext: number;

  beforeEach(async () => {
    await keep(twoHourly, nightly);
    [next, cronNext] = [await nextOf(id), await nextOf(cronId)];
  });

  const expectBoth = async (): Promise<void> => {
    expect([await nextOf(id), await nextOf(cronId)]).toEqual([next, cronNext]);
    await expectOneNextRun(id);
    await expectOneNextRun(cronId);
  };

  test("however often it is looked at", async () => {
    for (let i = 0; i < 3; i++) expect(await keep(twoHourly, nightly)).toEqual([]);
    await expectBoth();
  });

  test("after the delayed jobs were flushed", async () => {
    await redis.del(queue.toKey("delayed"));
    await redis.del(...(await redis.keys("{uee}:runs:repeat:uee-*:*")));
    expect(await keep(twoHourly, nightly)).toEqual([
      { schedule: id, repair: "next run restored" },
      { schedule: cronId, repair: "next run restored" },
    ]);
    await expectBoth();
  });

  test("after a delayed job lost its place, or its contents", async () => {
    await redis.zrem(queue.toKey("delayed"), `repeat:${id}:${next}`);
    await redis.del(queue.toKey(`repeat:${cronId}:${cronNext}`));
    await keep(twoHourly, nightly);
    // A place without contents: BullMQ drops it when its time comes; ours was removed with the scheduler.
    await expectBoth();
    expect(await keep(twoHourly, nightly)).toEqual([]);
  });

  test("after the schedulers were removed", async () => {
    await queue.removeJobScheduler(id);
    await queue.removeJobScheduler(cronId);
    expect(await keep(twoHourly, nightly)).toEqual([
      { schedule: id, repair: "restored" },
      { schedule: cronId, repair: "restored" },
    ]);
    await expectBoth();
  });

  test("after one half of a scheduler was lost", async () => {
    await redis.zrem(queue.toKey("repeat"), id);
    await redis.del(queue.toKey(`repeat:${cronId}`));
    await keep(twoHourly, nightly);
    await expectBoth();
  });

  test("after it was doubled", async () => {
    const later = next + HOUR;
    const job = await redis.hgetall(queue.toKey(`repeat:${id}:${next}`));
    await redis.hset(queue.toKey(`repeat:${id}:${later}`), job);
    await redis.zadd(queue.toKey("delayed"), later * 4096, `repeat:${id}:${later}`);
    expect(await slotsOf(queue, id)).toHaveLength(2);
    expect(await keep(twoHourly, nightly)).toEqual([{ schedule: id, repair: "double removed" }]);
    await expectBoth();
  });

  test("after another client changed the scheduler", async () => {
    await queue.upsertJobScheduler(id, { every: 1_000 }, { name: "run", data: { provider: "cve" } });
    expect(await keep(twoHourly, nightly)).toContainEqual({ schedule: id, repair: "changed" });
    await expectOneNextRun(id);
    expect(await queue.getJobScheduler(id)).toMatchObject({ every: 2 * HOUR, name: "scheduled" });
  });

  test("while twenty pods look at once and everything is gone", async () => {
    await redis.del(queue.toKey("delayed"), queue.toKey("repeat"));
    await Promise.all(Array.from({ length: 20 }, () => keep(twoHourly, nightly)));
    await keep(twoHourly, nightly);
    await expectBoth();
  });

  test("an overdue slot whose job is lost is caught up now", async () => {
    for (const [schedule, slot] of [
      [id, next - 50 * HOUR],
      [cronId, cronNext - 72 * HOUR],
    ] as const) {
      await ageSchedule(redis, queue, schedule, slot);
      await redis.zrem(queue.toKey("delayed"), `repeat:${schedule}:${slot}`);
      await redis.del(queue.toKey(`repeat:${schedule}:${slot}`));
    }
    await keep(twoHourly, nightly);
    for (const schedule of [id, cronId]) {
      await expectOneNextRun(schedule);
      expect(Math.abs((await nextOf(schedule)) - Date.now())).toBeLessThan(60_000);
    }
  });

  test("other people's jobs and schedulers stay untouched", async () => {
    await queue.add("run", { provider: "cve", mode: "full" }, { delay: HOUR, jobId: "mine" });
    await queue.upsertJobScheduler("theirs", { every: HOUR }, { name: "run" });
    await keep(twoHourly);
    expect((await queue.getJobSchedulers()).map(({ key }) => key).sort()).toEqual(["theirs", id]);
    expect(await queue.getJobState("mine")).toBe("delayed");
    await expectOneNextRun(id);
  });
});

describe("when the configuration changes", () => {
  test("an interval takes the place of another, and a cron expression of an interval", async () => {
    await keep(twoHourly);
    expect(await keep({ ...twoHourly, schedule: { every: 4 * HOUR } })).toEqual([
      { schedule: id, repair: "changed" },
    ]);
    expect(Math.abs((await nextOf(id)) - Date.now() - 3 * HOUR)).toBeLessThan(60_000);
    await expectOneNextRun(id);
    await keep({ ...twoHourly, schedule: { cron: "0 0 1 1 *" } });
    expect(new Date(await nextOf(id)).toISOString()).toMatch(/-01-01T00:00:00\.000Z$/);
    await expectOneNextRun(id);
    await keep(twoHourly);
    expect(await queue.getJobScheduler(id)).toMatchObject({ every: 2 * HOUR });
    await expectOneNextRun(id);
  });

  test("off, or a provider that is gone, removes scheduler and next run", async () => {
    await keep(twoHourly, nightly);
    expect(await keep({ ...twoHourly, schedule: "off" })).toEqual([
      { schedule: id, repair: "removed" },
      { schedule: cronId, repair: "removed" },
    ]);
    expect(await queue.getJobSchedulers()).toEqual([]);
    expect(await slotsOf(queue)).toEqual([]);
    expect(await keep({ ...twoHourly, schedule: "off" })).toEqual([]);
  });

  test("off removes a slot that was due and that no worker has taken", async () => {
    await keep(twoHourly);
    await ageSchedule(redis, queue, id, Date.now() - HOUR);
    const job = await queue.getJob((await slotsOf(queue, id))[0]!);
    await job?.promote();
    await keep();
    expect(await slotsOf(queue)).toEqual([]);
  });
});

describe("of pods with different configurations", () => {
  const duty = (schedule: PlannedSchedule["schedule"]) =>
    new FleetSchedules({ plan, reconciler, mine: [{ ...twoHourly, schedule }], logger: silentLogger() });
  const every = async () => (await queue.getJobScheduler(id))?.every;

  test("the one that started last holds, also when the others look after it", async () => {
    const [older, newer] = [duty({ every: 2 * HOUR }), duty({ every: 6 * HOUR })];
    await older.keep("older");
    expect(await every()).toBe(2 * HOUR);
    await newer.keep("newer");
    await older.keep("older");
    expect(await every()).toBe(6 * HOUR);
    await expectOneNextRun(id);
  });

  test("the others take over when it is gone for good", async () => {
    const [older, newer] = [duty({ every: 2 * HOUR }), duty("off")];
    await older.keep("older");
    await newer.keep("newer");
    await older.keep("older");
    expect(await every()).toBeUndefined();
    // It sends nothing for a minute.
    await redis.hset("{uee}:schedules", "until", Date.now() - 1);
    await older.keep("older");
    expect(await every()).toBe(2 * HOUR);
  });
});
