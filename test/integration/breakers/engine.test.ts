/** The engine's breakers: their states, a reset by a person, listeners, figures. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { BreakerTransition } from "../../../src/engine/api.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";

let server: TestRedis;
let redis: Redis;
let listing: ListingServer;
let prefix: string;
let count = 0;
const engines: TestEngine[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  prefix = `b${++count}`;
  listing = await startListing(makeRecords(4_500));
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await listing.close();
});

async function openEngine(waitScale = 1): Promise<TestEngine> {
  const engine = await openTestEngine(server.url, {
    prefix,
    waitScale,
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  engines.push(engine);
  return engine;
}

const upstreamKeys = () => makeKeys(prefix).upstream("cve");
const breakerOf = async ({ engine }: TestEngine) =>
  (await engine.breakers()).find(({ upstream }) => upstream === "cve")!;
const machineOf = async ({ engine }: TestEngine) =>
  (await engine.status()).providers.find(({ provider }) => provider === "cve")!.machine;

/** The next failure opens it. */
const almostOpen = () => redis.hset(upstreamKeys().breaker, "failures", 4);
const breakConnections: ListingServer["intercept"] = (_url, response) => {
  response.destroy();
  return true;
};

test("an open breaker makes its provider wait, over a restart too; a person who closes it ends the wait at once", async () => {
  listing.intercept = breakConnections;
  const first = await openEngine();
  await almostOpen();
  const worker = await first.engine.startWorker({ providers: ["cve"] });
  const { runId } = await first.engine.openRun({ provider: "cve", mode: "full" });
  await until(async () => (await machineOf(first)).state === "WAITING_BACKOFF");
  const waiting = await machineOf(first);
  expect(waiting.reason).toMatch(/^PROV_CIRCUIT_OPEN: .*PROV_CONNECTION/);
  expect(waiting.remainingMs).toBeGreaterThan(20_000);
  expect(waiting.remainingMs).toBeLessThanOrEqual(36_000);
  expect(await breakerOf(first)).toMatchObject({ state: "open", opens: 1 });
  await worker.stop();
  await engines.pop()!.close();
  const asked = listing.requests.length;

  const second = await openEngine();
  await second.engine.startWorker({ providers: ["cve"] });
  // Even where nothing else holds its batches back: the breaker refuses them, and says again how long.
  const { machine } = makeKeys(prefix).provider("cve");
  await redis.hset(machine, "until_ms", 1);
  await until(async () => (await breakerOf(second)).counts.rejections > 0);
  await until(async () => (await machineOf(second)).state === "WAITING_BACKOFF");
  expect((await machineOf(second)).remainingMs).toBeGreaterThan(5_000);
  expect((await machineOf(second)).reason).toMatch(
    /after 5 failures in a row; the last failure: PROV_CONNECTION/,
  );
  expect(listing.requests.length).toBe(asked);

  listing.intercept = () => false;
  expect(await second.engine.resetBreaker("cve", { actor: "ann@desk", reason: "mended" })).toMatchObject({
    changed: true,
    view: { state: "closed" },
  });
  const run = await second.engine.waitForRun("cve", runId, { pollMs: 20 });
  expect(run).toMatchObject({ state: "complete", fetched: 4_500, deadLettered: 0 });
  expect(run.requests).toBe(listing.requests.length);
  const history = await second.engine.history({ provider: "cve", limit: 100 });
  // Had the run waited for the breaker's own time, a probe would have come first.
  expect(history.map(({ what }) => what).filter((what) => /breaker .*half/i.test(what))).toEqual([]);
  expect(history).toContainEqual(
    expect.objectContaining({
      kind: "breaker",
      what: "breaker open → closed",
      trigger: "reset",
      actor: "ann@desk",
      reason: "mended",
    }),
  );
  expect(await second.engine.resetBreaker("cve")).toMatchObject({ changed: false });
  await expect(second.engine.resetBreaker("nvd")).rejects.toMatchObject({ code: "PROV_UNKNOWN" });
});

test("every process that listens is told of each transition once and in order, whichever made it", async () => {
  const [working, watching, idle] = [
    await openEngine(0.001),
    await openEngine(0.001),
    await openEngine(0.001),
  ];
  const told: BreakerTransition[] = [];
  await watching.engine.onBreakerStateChange(() => {
    throw new Error("a listener that fails does not stop the others");
  });
  await watching.engine.onBreakerStateChange((transition) => told.push(transition));
  const stopped: BreakerTransition[] = [];
  const stop = await idle.engine.onBreakerStateChange((transition) => stopped.push(transition));
  stop();

  let broken = 6;
  listing.intercept = (url, response, request) =>
    broken-- > 0 ? breakConnections(url, response, request) : false;
  const run = await working.run("cve", "full");
  expect(run).toMatchObject({ state: "complete", deadLettered: 0 });
  const kept = await working.engine.breakerTransitions({ upstream: "cve", limit: 1_000 });
  await until(() => told.length === kept.length);
  expect(told).toEqual(kept.reverse());
  expect(told.at(-1)).toMatchObject({ newState: "closed", trigger: "probe_succeeded" });
  expect(stopped).toEqual([]);
});

test("a listener misses nothing while Redis is away, or its connection is cut", async () => {
  const { engine } = await openEngine();
  const told: BreakerTransition[] = [];
  await engine.onBreakerStateChange((transition) => told.push(transition));
  await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  const other = await openEngine();
  listing.intercept = breakConnections;
  await almostOpen();
  await other.engine.startWorker({ providers: ["cve"] });
  await other.engine.openRun({ provider: "cve", mode: "full" });
  await until(() => told.length > 0);
  expect(told).toMatchObject([{ upstream: "cve", oldState: "closed", newState: "open", trigger: "trip" }]);
});

test("the figures of what went through add up", async () => {
  const uee = await openEngine(0.001);
  listing.intercept = (url) => url.searchParams.get("startIndex") === "nonsense";
  await uee.run("cve", "full");
  const { counts, state } = await breakerOf(uee);
  expect(state).toBe("closed");
  expect(counts).toEqual({
    calls: listing.requests.length,
    successes: listing.requests.length,
    failures: 0,
    ignored: 0,
    rejections: 0,
    opens: 0,
  });
});
