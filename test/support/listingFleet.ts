/** Worker processes at a listing of CVEs, one fleet a test: own prefix, engine and listing; the Redis is the file's. */
import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import type { EngineSettings } from "../../src/engine.ts";
import { type ListingServer, makeRecords, startListing } from "./listingServer.ts";
import { startRedis, type TestRedis } from "./redisServer.ts";
import { openTestEngine, type TestEngine, testSettings } from "./testEngine.ts";
import { startWorkerProcess, type WorkerProcess } from "./workers.ts";

export interface ListingFleet {
  readonly redis: TestRedis;
  readonly listing: ListingServer;
  readonly settings: EngineSettings;
  readonly uee: TestEngine;
  /** In the order of their starts; killed at the end of the test. */
  readonly workers: WorkerProcess[];
  startWorker(options?: { diesAt?: readonly string[]; host?: string }): Promise<WorkerProcess>;
}

/** The fleet is there once tests begin: read its members inside of tests only. */
export function listingFleet(options: { records: number; settings?: Partial<EngineSettings> }): ListingFleet {
  const fleet = { workers: [] as WorkerProcess[] } as {
    -readonly [name in keyof ListingFleet]: ListingFleet[name];
  };
  let count = 0;
  beforeAll(async () => {
    fleet.redis = await startRedis({ appendonly: true });
  });
  afterAll(() => fleet.redis.stop());
  beforeEach(async () => {
    fleet.listing = await startListing(makeRecords(options.records));
    fleet.settings = testSettings({
      prefix: `f${count++}`,
      providers: { cve: { url: fleet.listing.url, rate: "unlimited" } },
      ...options.settings,
    });
    fleet.uee = await openTestEngine(fleet.redis.url, fleet.settings);
  });
  afterEach(async () => {
    const workers = fleet.workers.splice(0);
    for (const worker of workers) worker.kill("SIGKILL");
    await Promise.all(workers.map((worker) => worker.ended()));
    await fleet.uee.close();
    await fleet.listing.close();
  });
  fleet.startWorker = async (more = {}) => {
    const worker = await startWorkerProcess({ url: fleet.redis.url, settings: fleet.settings, ...more });
    fleet.workers.push(worker);
    return worker;
  };
  return fleet;
}
