/** Several people at once, and what a crash, a hand or another program left between the index and the failed set. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Queue, Worker } from "bullmq";
import { openQueue } from "../../../src/queues/bullmqQueue.ts";
import { ProviderQueue } from "../../../src/queues/providerQueue.ts";
import { BadRecords } from "../../../src/recovery/deadLetters/badRecords.ts";
import { DeadLetterStore } from "../../../src/recovery/deadLetters/deadLetterStore.ts";
import { sweepDeadLetters } from "../../../src/recovery/deadLetters/sweeper.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { Batches } from "../../../src/runs/batches.ts";
import { StagedSlices } from "../../../src/runs/stagedSlices.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { openTestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;
const BAD = 40;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: 100 });
  for (let i = 0; i < BAD; i++) mirror.spoil(i);
  expect(await mirror.uee.run("cve")).toMatchObject({ deadLettered: BAD, created: 100 - BAD });
  await redis.client().del("{uee:cve}:cve:events");
});
afterEach(() => mirror.close());

const failed = async () => (await mirror.uee.engine.status()).providers[0]!.jobs.failed;

test("two people who press at once get exactly one new job a letter between them", async () => {
  const other = await openTestEngine(redis.url, {});
  const people = [mirror.uee.engine, other.engine, mirror.uee.engine, other.engine];
  const reports = await Promise.all(
    people.map((engine, i) => engine.deadLetters.replay({}, { actor: `person ${i}` })),
  );
  expect(reports.reduce((sum, { done }) => sum + done, 0)).toBe(BAD);
  // All of them in one run.
  expect(new Set(reports.flatMap(({ runs }) => runs.map(({ runId }) => runId))).size).toBe(1);
  mirror.lenient = true;
  expect(await mirror.see(reports.find(({ done }) => done > 0)!.runs[0]!.runId)).toMatchObject({
    created: BAD,
  });
  expect(await mirror.added()).toHaveLength(BAD);
  expect(await mirror.letters.count()).toBe(0);
  expect(await failed()).toBe(0);
  await other.close();
});

test("a person who replays and one who purges do not both have their way", async () => {
  const [replayed, purged] = await Promise.all([mirror.letters.replay({}), mirror.letters.purge({})]);
  expect(replayed.done + purged.done).toBe(BAD);
  mirror.lenient = true;
  if (replayed.done > 0) await mirror.see(replayed.runs[0]!.runId);
  expect(await mirror.added()).toHaveLength(replayed.done);
  expect(await mirror.letters.count()).toBe(0);
  expect(await failed()).toBe(0);
  expect((await mirror.letters.stats()).rawBytes).toBe(0);
});

describe("the sweeper", () => {
  const keys = makeKeys("uee").provider("cve");
  let parts: Parameters<typeof sweepDeadLetters>[0];
  let rounds = 0;
  let queue: ProviderQueue;
  let letters: DeadLetterStore;

  beforeEach(() => {
    const client = mirror.uee.redis.commands;
    queue = new ProviderQueue("cve", keys, client);
    letters = new DeadLetterStore(client, keys);
    rounds = 0;
    parts = {
      ...{ queue, deadLetters: letters, batches: new Batches(client, keys) },
      ...{ badRecords: new BadRecords(client, keys), stagedSlices: new StagedSlices(client, keys) },
    };
  });
  afterEach(() => queue.close());

  const repairs = async () => (await sweepDeadLetters(parts, rounds++ === 0)).map(({ repair }) => repair);

  test("finds nothing to mend where nothing is wrong", async () => {
    expect(await repairs()).toEqual([]);
    expect(await repairs()).toEqual([]);
  });

  test("gives a failed job without a letter one that says the same", async () => {
    const before = await mirror.all();
    // An index that was never kept, as by an older version.
    await redis.client().unlink(await redis.client().keys("{uee:cve}:letters*"));
    expect(await mirror.letters.count()).toBe(0);
    expect(await repairs()).toEqual(Array.from({ length: BAD }, () => "a failed job got its letter"));
    const after = await mirror.all();
    expect(new Map(after.map((one) => [one.id, one.code]))).toEqual(
      new Map(before.map((one) => [one.id, one.code])),
    );
    const [one] = after;
    const same = before.find(({ id }) => id === one!.id)!;
    expect(one).toMatchObject({
      ...same,
      firstFailedAt: expect.any(String),
      lastFailedAt: expect.any(String),
    });
    expect(await mirror.letters.stats()).toMatchObject({ total: BAD, byClass: { "bad-record": BAD } });
    expect(await repairs()).toEqual([]);
  });

  test("finishes a replay that ended after its first step, and one whose batch committed", async () => {
    const [letter] = await mirror.all();
    const { runs } = await mirror.letters.replay({ ids: [letter!.id] });
    // As if the old job had not gone, and the letter not been settled.
    const stored = await redis.client().hgetall(`{uee:cve}:letters:one:${letter!.id}`);
    const bullmq = openQueue(keys.queue, mirror.uee.redis.commands);
    const job = await bullmq.add("record", {}, { jobId: "old" });
    await bullmq.close();
    await letters.change(letter!.id, {}, { job: job.id! });
    expect(await repairs()).toEqual(["the failed job of a letter that is replayed went"]);
    expect(await queue.failedJob("old")).toBeUndefined();
    await redis.client().hset(`{uee:cve}:run:${runs[0]!.runId}:status`, stored.replayKey!, "c1");
    expect(await repairs()).toEqual(["settled after its replay"]);
    await expect(mirror.letters.show(letter!.id)).rejects.toMatchObject({ code: "API_NOT_FOUND" });
  });

  test("gives a letter back whose replay run is over without it, or gone", async () => {
    const [first, second] = await mirror.all();
    const { runs } = await mirror.letters.replay({ ids: [first!.id, second!.id] });
    const run = `{uee:cve}:run:${runs[0]!.runId}`;
    const { replayKey } = await redis.client().hgetall(`{uee:cve}:letters:one:${first!.id}`);
    await redis.client().hset(`${run}:status`, replayKey!, "x1");
    expect(await repairs()).toEqual(["its replay was cancelled: dead again"]);
    await redis.client().unlink(run);
    expect(await repairs()).toEqual(["its replay was cancelled: dead again"]);
    expect(await mirror.letters.stats()).toMatchObject({ byState: { dead: BAD, replaying: 0 } });
  });

  test("leaves a dead letter whose failed job was removed by hand: it can be replayed all the same", async () => {
    const [letter] = await mirror.all();
    await queue.remove(letter!.jobId!);
    expect(await repairs()).toEqual(["its failed job was removed by hand: the dead letter stays"]);
    expect((await mirror.letters.show(letter!.id)).letter).toMatchObject({ state: "dead", jobId: null });
    mirror.lenient = true;
    const { runs } = await mirror.letters.replay({ ids: [letter!.id] });
    expect(await mirror.see(runs[0]!.runId)).toMatchObject({ state: "complete", created: 1 });
  });

  test("keeps a job that is none of ours as a letter that can be shown and purged, not replayed", async () => {
    const queueOfAll = new Queue(keys.queue.name, { prefix: keys.queue.prefix, connection: redis.client() });
    await queueOfAll.add("mystery", { what: "?" });
    const worker = await mirror.uee.engine.startWorker();
    await until(async () => (await failed()) === BAD + 1);
    await worker.stop();
    await repairs();
    const [foreign] = (await mirror.all()).filter(({ kind }) => kind === "job");
    expect(foreign).toMatchObject({ code: "RPC_JOB_INVALID", class: "permanent", subject: "mystery" });
    expect(await mirror.letters.replay({ ids: [foreign!.id] })).toMatchObject({
      done: 0,
      skipped: { "not ours": 1 },
    });
    expect(await mirror.letters.purge({ ids: [foreign!.id] })).toMatchObject({ done: 1 });
    expect(await failed()).toBe(BAD);
    await queueOfAll.close();
  });

  test("calls a letter stalled when BullMQ gave its job up, not UEE", async () => {
    const other = new Queue(keys.queue.name, { prefix: keys.queue.prefix, connection: redis.client() });
    const data = {
      provider: "cve",
      runId: "gone",
      batch: "p1/all/0000000",
      pass: 1,
      generation: 1,
      size: 5,
      payload: {},
    };
    await other.add("batch", data, { jobId: "stalled-one", attempts: 1 });
    const failing = new Worker(
      keys.queue.name,
      () => Promise.reject(new Error("job stalled more than allowable limit")),
      { prefix: keys.queue.prefix, connection: redis.client({ maxRetriesPerRequest: null }) },
    );
    await until(async () => (await failed()) === BAD + 1);
    await failing.close();
    await repairs();
    const [stalled] = (await mirror.all()).filter(({ runId }) => runId === "gone");
    expect(stalled).toMatchObject({ class: "stalled", kind: "batch", size: 5 });
    // Its run and its plan are gone: what to do is not known any more.
    expect(await mirror.letters.replay({ ids: [stalled!.id] })).toMatchObject({
      done: 0,
      skipped: { planless: 1 },
    });
    await other.close();
  });
});
