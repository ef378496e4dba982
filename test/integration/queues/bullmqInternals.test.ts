/** What src/queues relies on inside BullMQ. A failure here after an upgrade says which of our assumptions to look at. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { type Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { UeeError } from "../../../src/core/errors.ts";
import {
  boundEvents,
  delayedScore,
  jobState,
  openQueue,
  queueKey,
  slotJobId,
} from "../../../src/queues/bullmqQueue.ts";
import { QueueConsumer, QueueWorker } from "../../../src/queues/consumer.ts";
import { jobOptions } from "../../../src/queues/jobCatalog.ts";
import type { JobOutcome, TakenJob } from "../../../src/queues/takenJob.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";

let server: TestRedis;
let redis: Redis;
let queue: Queue;
let address: { prefix: string; name: string };
let opened: QueueConsumer[];
let count = 0;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  address = { prefix: "{t}", name: `q${count++}` };
  queue = openQueue(address, redis, jobOptions);
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((consumer) => consumer.close()));
  await queue.close();
});

const key = (...parts: string[]) => queueKey(address, ...parts);

function consume(
  process: (job: TakenJob, lockLost: AbortSignal | undefined) => Promise<void>,
): QueueConsumer {
  const consumer = new QueueConsumer({
    queue: address,
    workerId: "w",
    connection: server.client({ maxRetriesPerRequest: null }),
    commands: redis,
    concurrency: 1,
    process,
    backoffMs: () => 77_000,
    onReleased: () => undefined,
    onError: () => undefined,
  });
  opened.push(consumer);
  void consumer.run();
  return consumer;
}

/** Takes a job as a process does that dies at once: nothing renews the lock. */
async function takenByTheDead(): Promise<{ id: string; owner: string }> {
  const dead = new Worker(address.name, null, {
    connection: server.client({ maxRetriesPerRequest: null }),
    prefix: address.prefix,
    autorun: false,
  });
  const job = await dead.getNextJob(`${dead.id}:0`);
  await dead.close(true);
  return { id: job!.id!, owner: dead.id };
}

describe("keys", () => {
  test("are prefix, queue and part", async () => {
    expect(key("delayed")).toBe(queue.toKey("delayed"));
    await queue.add("batch", {});
    await queue.add("batch", {}, { delay: 60_000 });
    const { id } = await takenByTheDead();
    await queue.add("batch", {});
    expect(await redis.lrange(key("active"), 0, -1)).toEqual([id]);
    expect(await redis.llen(key("wait"))).toBe(1);
    expect(await redis.zcard(key("delayed"))).toBe(1);
    expect(await redis.type(key(id))).toBe("hash");
    expect(await redis.type(key(id, "lock"))).toBe("string");
  });

  test("of the stalled check are a set of job ids and a throttle", async () => {
    await queue.add("batch", {});
    let letGo = (): void => undefined;
    consume(async (job) => {
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      await job.report({ kind: "done", summary: {} });
    });
    await until(async () => (await redis.llen(key("active"))) > 0);
    const [id] = await redis.lrange(key("active"), 0, -1);
    await until(async () => (await redis.smembers(key("stalled"))).includes(id!));
    const throttled = await redis.pttl(key("stalled-check"));
    expect(throttled > 0 && throttled <= 4_000).toBe(true);
    letGo();
  });
});

test("a lock's token begins with the id of the BullMQ worker that took the job", async () => {
  await queue.add("batch", {});
  let token: string | null = null;
  const consumer = consume(async (job) => {
    token = await redis.get(key(job.id, "lock"));
    expect(token).toBe(job.token);
    await job.report({ kind: "done", summary: {} });
  });
  await until(() => token !== null);
  expect(token!.startsWith(`${consumer.lockOwner}:`)).toBe(true);
});

test("a delayed job's score is the ms at which it is due, shifted by twelve bits", async () => {
  const job = await queue.add("batch", {}, { delay: 60_000 });
  const due = job.timestamp + 60_000;
  expect(await redis.zcount(key("delayed"), "-inf", delayedScore(due))).toBe(1);
  expect(await redis.zcount(key("delayed"), "-inf", delayedScore(due - 1))).toBe(0);
});

test("a scheduler's next job has an id of the scheduler and the slot", async () => {
  await queue.upsertJobScheduler("uee-x-full", { every: 3_600_000, startDate: Date.now() + 60_000 }, {});
  const { next } = (await queue.getJobScheduler("uee-x-full"))!;
  expect(await jobState(queue, slotJobId("uee-x-full", next!))).toBe("queued");
  expect(await jobState(queue, "no-such-job")).toBe("gone");
});

test("the event stream keeps to the bound that is stored in the queue's meta", async () => {
  await boundEvents(redis, address);
  await queue.addBulk(Array.from({ length: 2_500 }, () => ({ name: "batch", data: {} })));
  expect(await redis.xlen(key("events"))).toBeLessThan(1_500);
});

test("a job whose lock was dropped goes to the next consumer without an attempt spent", async () => {
  await queue.add("batch", {});
  const { id, owner } = await takenByTheDead();
  const seen: { id: string; made: number }[] = [];
  const consumer = consume(async (job) => {
    seen.push({ id: job.id, made: job.attempts.made });
    await job.report({ kind: "done", summary: {} });
  });
  expect(await consumer.takeBackFrom(["another-owner"])).toBe(0);
  expect(await consumer.takeBackFrom([owner])).toBe(1);
  await until(() => seen.length > 0);
  expect(seen).toEqual([{ id, made: 0 }]);
});

describe("an outcome", () => {
  const error = new UeeError("PROV_BATCH_DEAD");

  async function stateAfter(outcome: JobOutcome): Promise<{ state: string; made: number; delayMs: number }> {
    const { id } = await queue.add("batch", {});
    const consumer = consume(async (job) => {
      // Before the report: a job that goes back to waiting would be taken again.
      consumer.pause();
      await job.report(outcome);
    });
    // `ats` counts the times that a worker took the job.
    await until(async () => {
      const [taken, active] = await Promise.all([redis.hexists(key(id!), "ats"), redis.llen(key("active"))]);
      return taken === 1 && active === 0;
    });
    const job = (await queue.getJob(id!))!;
    return { state: await job.getState(), made: job.attemptsMade, delayMs: job.delay };
  }

  test("done completes the job", async () => {
    expect(await stateAfter({ kind: "done", summary: { records: 1 } })).toMatchObject({
      state: "completed",
      made: 1,
    });
  });
  test("retry spends an attempt and waits as decided", async () => {
    const told = await stateAfter({ kind: "retry", delayMs: 55_000, error });
    expect(told).toEqual({ state: "delayed", made: 1, delayMs: 55_000 });
  });
  test("retry without a wait asks the back-off of the consumer", async () => {
    expect(await stateAfter({ kind: "retry", error })).toEqual({
      state: "delayed",
      made: 1,
      delayMs: 77_000,
    });
  });
  test("defer goes back to waiting and spends no attempt", async () => {
    expect(await stateAfter({ kind: "defer", delayMs: 0 })).toMatchObject({ state: "waiting", made: 0 });
  });
  test("defer with a delay spends no attempt either", async () => {
    expect(await stateAfter({ kind: "defer", delayMs: 60_000 })).toMatchObject({ state: "delayed", made: 0 });
  });
  test("dead goes to the failed set, whatever attempts are left", async () => {
    expect(await stateAfter({ kind: "dead", error })).toMatchObject({ state: "failed", made: 1 });
  });
});

test("the methods that QueueWorker overrides are called for every fetch and every job", async () => {
  type Overridden = { nextJobFromJobData(): unknown; processJob(): unknown };
  const inherited = Worker.prototype as unknown as Overridden;
  const fetched = jest.spyOn(inherited, "nextJobFromJobData");
  const processed = jest.spyOn(inherited, "processJob");
  const released: string[] = [];
  const worker = new QueueWorker(address.name, async () => "done", {
    connection: server.client({ maxRetriesPerRequest: null }),
    prefix: address.prefix,
    drainDelay: 0.1,
  });
  worker.onReleased = (job) => void released.push(job.id!);
  await until(() => fetched.mock.calls.length > 0);
  expect(processed).not.toHaveBeenCalled();
  const { id } = await queue.add("batch", {});
  await until(() => released.includes(id!));
  expect(processed).toHaveBeenCalledTimes(1);
  await worker.close();
  jest.restoreAllMocks();
});

test("a consumer whose lock was lost is told so", async () => {
  await queue.add("batch", {});
  let told = false;
  consume(
    (job, lockLost) =>
      new Promise<void>((resolve) => {
        lockLost?.addEventListener("abort", () => {
          told = true;
          resolve();
        });
        void redis.del(key(job.id, "lock"));
      }),
  );
  await until(() => told);
});
