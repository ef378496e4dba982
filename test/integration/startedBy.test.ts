/** Who opened a run and why stays with the run, whichever way it was opened and whichever process moves the machine first. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Queue } from "bullmq";
import { Governor } from "../../src/workers/governor.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let listing: ListingServer;
let uee: TestEngine;
let count = 0;

beforeAll(async () => {
  redis = await startRedis({});
  listing = await startListing(makeRecords(20));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
});
beforeEach(async () => {
  const providers = { cve: { url: listing.url, rate: "unlimited" } } as const;
  uee = await openTestEngine(redis.url, { prefix: `by${count++}`, providers });
});
afterEach(() => uee.close());

const opened = async () =>
  (await uee.engine.history({ provider: "cve", limit: 50 })).find(({ trigger }) => trigger === "open_run");

test("a worker's batch that comes before the person's request tells the machine who and why", async () => {
  const { runOpened } = Governor.prototype;
  // The person's own word is lost: the process died after it had opened the run.
  Governor.prototype.runOpened = async () => undefined;
  let runId: string;
  try {
    ({ runId } = await uee.engine.openRun({
      ...{ provider: "cve", mode: "full", actor: "ann@desk", reason: "NVD said so" },
    }));
  } finally {
    Governor.prototype.runOpened = runOpened;
  }
  const worker = await uee.engine.startWorker({ providers: ["cve"] });
  const run = await uee.engine.waitForRun("cve", runId, { pollMs: 20 });
  await worker.stop();
  expect(run).toMatchObject({ state: "complete", actor: "ann@desk", reason: "NVD said so" });
  expect(await opened()).toMatchObject({ actor: "ann@desk", reason: "NVD said so" });
});

test("a script's job names who and why", async () => {
  const connection = { url: redis.url, maxRetriesPerRequest: null };
  const queue = new Queue("runs", { prefix: `{by${count - 1}}`, connection });
  await queue.add("run", { provider: "cve", mode: "incremental", actor: "nightly.py", reason: "ticket 7" });
  const worker = await uee.engine.startWorker();
  await until(async () => (await uee.engine.status()).providers[0]!.lastRun?.state === "complete");
  await worker.stop();
  await queue.close();
  const [status] = (await uee.engine.status()).providers;
  expect(status!.lastRun).toMatchObject({ actor: "nightly.py", reason: "ticket 7" });
  expect(await opened()).toMatchObject({ actor: "nightly.py", reason: "ticket 7" });
});
