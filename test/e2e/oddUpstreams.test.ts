/** `uee run` over an NVD whose answers are allowed and odd: a total of ten million, an empty page without a list. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { answerFrom } from "../support/oddListing.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, startUee, uee } from "./cliSupport.ts";

let redis: TestRedis;
let listing: ListingServer;
let env: NodeJS.ProcessEnv;
let prefix = 0;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
});
afterAll(() => redis.stop());
beforeEach(async () => {
  listing = await startListing(makeRecords(2_000));
  env = bareEnv({
    REDIS_URL: redis.url,
    UEE_PREFIX: `odd${prefix++}`,
    UEE_CVE_URL: listing.url,
    UEE_CVE_RATE: "unlimited",
    UEE_WAIT_SCALE: "0.01",
  });
});
afterEach(async () => {
  killAll();
  await listing.close();
});

const runOf = (stdout: string) => JSON.parse(stdout).runs[0];

describe("a plan of 5,000 batches, the largest that a total allows,", () => {
  /** The first page is answered; all others are held back, so the run is in the middle of its plan. */
  beforeEach(() => {
    listing.intercept = (url, response) => {
      if (url.searchParams.get("startIndex") === "0")
        answerFrom({ places: listing.records, envelope: { totalResults: 10_000_000 } }, url, response);
      return true;
    };
  });

  test("does not keep --timeout from ending the command, which says what it waited for", async () => {
    // Another process has planned the run and died.
    const planning = startUee(["run", "cve", "--wait"], { env });
    await untilAsked(2);
    planning.kill("SIGKILL");
    await planning.ended;
    const late = await uee(["run", "cve", "--timeout", "4s", "--json"], { env });
    expect(late.code).toBe(1);
    expect(runOf(late.stdout)).toMatchObject({
      state: "incomplete",
      error: { code: "SYS_WAIT_TIMEOUT", message: expect.stringContaining("It was waiting for ") },
    });
    const status = JSON.parse((await uee(["status", "--json"], { env })).stdout);
    const cve = status.providers.find(({ provider }: { provider: string }) => provider === "cve");
    expect(cve.openRun).toMatchObject({ batchesPlanned: 5_000 });
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("does not keep %s from ending the command with %i", async (signal, code) => {
    const child = startUee(["run", "cve", "--wait", "--json"], { env });
    await untilAsked(2);
    child.kill(signal);
    const ended = await child.ended;
    expect(ended.code).toBe(code);
    expect(runOf(ended.stdout)).toMatchObject({ state: "incomplete", error: { code: "SYS_INTERRUPTED" } });
  });
});

describe("an empty page whose list is null", () => {
  test("is an empty page: the increment that meets it ends complete", async () => {
    // Nothing has changed for 150 days, so the second of the increment's two windows is empty.
    const then = Date.now() - 150 * 86_400_000;
    listing.records = listing.records.map((record, i) => ({
      ...record,
      lastModified: new Date(then - i * 1_000).toISOString().slice(0, -1),
    }));
    expect((await uee(["run", "cve", "--wait"], { env })).code).toBe(0);
    let nullLists = 0;
    listing.intercept = (url, response) => {
      const from = url.searchParams.get("lastModStartDate");
      if (from === null || Date.parse(from) < then) return false;
      nullLists++;
      answerFrom({ places: [], envelope: { vulnerabilities: null } }, url, response);
      return true;
    };
    const again = await uee(["run", "cve", "--wait", "--json"], { env });
    expect(runOf(again.stdout)).toMatchObject({ mode: "incremental", state: "complete", error: null });
    expect(again.code).toBe(0);
    expect(nullLists).toBeGreaterThan(0);
  });
});

/** Resolves when so many requests have arrived. */
async function untilAsked(count: number): Promise<void> {
  while (listing.requests.length < count) await new Promise((resolve) => setTimeout(resolve, 25));
}
