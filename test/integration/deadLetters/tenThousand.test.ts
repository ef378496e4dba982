/** 10,000 dead letters, as many as a provider may have: found, listed, filtered and replayed in flat memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Queue, Worker } from "bullmq";
import type { BatchJob } from "../../../src/queues/jobCatalog.ts";
import { deadLetterId } from "../../../src/recovery/deadLetters/badRecords.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { testSettings } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";
import { type Mirror, startMirror } from "./support.ts";

const COUNT = 10_000;
/** One in so many is of another kind of error. */
const RARE = 1_000;
const script = fileURLToPath(new URL("../../support/manyLetters.mjs", import.meta.url));

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
  mirror = await startMirror(redis, { records: 3 });
  await fail(COUNT);
}, 180_000);
afterAll(async () => {
  await mirror.close();
  await redis.stop();
});

/** Failed jobs of bad records, with their bytes, as runs leave them, before any dead letter is written. */
async function fail(count: number): Promise<void> {
  const keys = makeKeys("uee").provider("cve");
  const client = redis.client();
  const queue = new Queue(keys.queue.name, { prefix: keys.queue.prefix, connection: client });
  for (let from = 0; from < count; from += 1000) {
    const jobs = [];
    const writes = client.pipeline();
    for (let i = from; i < from + 1000; i++) {
      const raw = JSON.stringify({
        id: `CVE-2025-${100_000 + i}`,
        references: "none",
        text: "x".repeat(2000),
      });
      const letter = deadLetterId("cve", String(i), raw);
      const facts = {
        id: `CVE-2025-${100_000 + i}`,
        code: "VAL_RECORD_FIELD",
        message: "",
        fetchedAt: 1,
        plannedIn: "cve-old",
      };
      writes.set(keys.badRecordRaw(letter), raw).hset(keys.badRecords, letter, JSON.stringify(facts));
      const data: BatchJob = {
        ...{ provider: "cve", runId: "cve-old", batch: `bad/${letter}`, pass: 1, generation: 1, size: 1 },
        payload: { deadLetterId: letter },
      };
      jobs.push({ name: "record", data, opts: { jobId: `old-${i}`, attempts: 1, removeOnFail: false } });
    }
    await Promise.all([writes.exec(), queue.addBulk(jobs)]);
  }
  const failing = new Worker(
    keys.queue.name,
    (job) => {
      const code = Number(job.id!.slice(4)) % RARE === 0 ? "VAL_RECORD_ID" : "VAL_RECORD_FIELD";
      return Promise.reject(new Error(`${code}: as it came`));
    },
    {
      ...{ prefix: keys.queue.prefix, concurrency: 200 },
      connection: redis.client({ maxRetriesPerRequest: null }),
    },
  );
  await until(async () => (await queue.getFailedCount()) === count, 150_000);
  await failing.close();
  await queue.close();
}

interface Said {
  listed: number;
  rare: number;
  total: number;
  done: number;
  before: { heap: number; resident: number };
  after: { heap: number; resident: number };
  times: Record<string, number>;
}

async function inProcess(most: number): Promise<Said> {
  const settings = testSettings({ providers: { cve: { url: mirror.listing.url, rate: "unlimited" } } });
  const plan = JSON.stringify({ url: redis.url, settings, most });
  const child = spawn(process.execPath, ["--expose-gc", script, plan], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  await once(child, "close");
  return JSON.parse(out) as Said;
}

const MB = 1024 * 1024;

test("10,000 failed jobs get their letters, and listing, filtering and replaying them needs no more memory than a page", async () => {
  const worker = await mirror.uee.engine.startWorker();
  await worker.stop();
  expect(await mirror.letters.stats()).toMatchObject({
    total: COUNT,
    byCode: { VAL_RECORD_ID: COUNT / RARE },
  });
  const said = await inProcess(COUNT);
  expect(said).toMatchObject({ listed: COUNT, rare: COUNT / RARE, total: COUNT, done: COUNT });
  const grown = said.after.heap - said.before.heap;
  // All letters at once would be 10 MB of text alone, and thrice that as objects; their bytes 20 MB, their jobs as much.
  expect(grown).toBeLessThan(8 * MB);
  if (process.env.UEE_SAY_FIGURES) console.log(JSON.stringify({ ...said, grown }));
  const { providers } = await mirror.uee.engine.status();
  // One new job each, none of the old.
  expect(providers[0]!.jobs).toMatchObject({ waiting: COUNT, failed: 0 });
  expect(await mirror.letters.stats()).toMatchObject({
    byState: { replaying: COUNT, dead: 0 },
    maxReplays: 1,
  });
}, 180_000);
