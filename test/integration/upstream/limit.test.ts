/** The fleet's rolling window and its agreement, against a real Redis. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { fingerprint } from "../../../src/core/secrets.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import type { UpstreamOptions } from "../../../src/upstream/client.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { failure, startServer, type TestServer, type TestUpstream, testUpstream, want } from "./support.ts";

let server: TestRedis;
let redis: Redis;
let web: TestServer;
const opened: TestUpstream[] = [];

const settings = (rate: UpstreamOptions["settings"]["rate"], apiKey?: string) => ({
  rate,
  apiKeyFingerprint: fingerprint(apiKey),
  baseUrl: "http://127.0.0.1/",
});

/** A client as in a process of its own: own connection, own memory. */
function client(options: Parameters<typeof testUpstream>[1], of: TestRedis = server): TestUpstream {
  const upstream = testUpstream(of.client(), options);
  opened.push(upstream);
  return upstream;
}

const nowMicros = async (): Promise<number> => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1e6 + Number(micros);
};

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  web = await startServer((_request, response) => response.end("{}"));
});
afterAll(async () => {
  await web.close();
  await server.stop();
});
beforeEach(() => {
  web.arrivals.length = 0;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
});

describe("the window", () => {
  test("lets as many requests go as it allows and tells the next one how long to wait", async () => {
    const rate = { max: 3, windowMs: 60_000 };
    const clients = [1, 2].map(() => client({ name: "full", settings: settings(rate) }));
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => clients[i % 2]!.get(want(web.url))),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect(web.arrivals).toHaveLength(3);
    const error = await failure(clients[0]!.get(want(web.url)));
    expect([error.code, error.class]).toEqual(["PROV_RATE_WAIT", "throttle"]);
    expect(error.retryAfterMs).toBeGreaterThan(30_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(62_250);
    expect(clients[0]!.counted() + clients[1]!.counted()).toBe(3);
    expect(await clients[0]!.waiting()).toMatchObject({ code: "PROV_RATE_WAIT" });
  });

  test("is not scaled with the waits", async () => {
    const upstream = client({ settings: settings({ max: 1, windowMs: 60_000 }), waitScale: 0.001 });
    await upstream.get(want(web.url));
    expect((await failure(upstream.get(want(web.url)))).retryAfterMs).toBeGreaterThan(30_000);
  });

  test("frees a slot one window and a margin after its request was sent", async () => {
    const rate = { max: 5, windowMs: 60_000 };
    const upstream = client({ name: "freeing", settings: settings(rate), maxSendDelayMs: 600_000 });
    const { fetchedAt } = await upstream.get(want(web.url));
    await upstream.close();
    const [slot, score] = await redis.zrange(
      makeKeys("uee-test").upstream("freeing").slots,
      "0",
      "-1",
      "WITHSCORES",
    );
    expect(slot).toMatch(/\+$/);
    expect(Number(score)).toBeGreaterThanOrEqual(fetchedAt + 60_250_000);
    expect(Number(score)).toBeLessThanOrEqual((await nowMicros()) + 60_250_000);
  });

  test("keeps the slot of a request that was sent and failed, and none for one that was never sent", async () => {
    const options = { name: "failing", settings: settings({ max: 5, windowMs: 60_000 }) };
    const { slots } = makeKeys("uee-test").upstream("failing");
    const upstream = client(options);
    await failure(upstream.get(want("http://127.0.0.1:1/")));
    expect(await redis.zcard(slots)).toBe(0);
    web.answer = (request) => request.socket.destroy();
    await failure(upstream.get(want(web.url)));
    web.answer = (_request, response) => response.end("{}");
    expect(await redis.zcard(slots)).toBe(1);

    const unable = upstream.fetcher({
      signal: new AbortController().signal,
      onRequest: () => Promise.reject(new Error("could not count")),
    });
    await expect(unable.fetch(want(web.url))).rejects.toThrow("could not count");
    await upstream.close();
    expect(await redis.zcard(slots)).toBe(1);
  });

  test("never sees a request under a slot that went stale in a process that slept: a new one is taken", async () => {
    const options = { name: "slept", settings: settings({ max: 5, windowMs: 60_000 }), maxSendDelayMs: 150 };
    const upstream = client(options);
    let wokeAt = 0;
    const sleepy = upstream.fetcher({
      signal: new AbortController().signal,
      onRequest: async () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
        wokeAt = await nowMicros();
        return undefined;
      },
    });
    const { fetchedAt } = await sleepy.fetch(want(web.url));
    expect(fetchedAt).toBeGreaterThan(wokeAt);
    expect(web.arrivals).toHaveLength(1);
    expect(await redis.zcard(makeKeys("uee-test").upstream("slept").slots)).toBe(1);
  });

  test("that shrank waits until all that is too much has freed", async () => {
    const upstream = client({ name: "shrinking", settings: settings({ max: 4, windowMs: 60_000 }) });
    for (let i = 0; i < 4; i++) await upstream.get(want(web.url));
    await upstream.close();
    const { slots } = makeKeys("uee-test").upstream("shrinking");
    const frees = (await redis.zrange(slots, "0", "-1", "WITHSCORES"))
      .filter((_, i) => i % 2 === 1)
      .map(Number);
    const smaller = client({ name: "shrinking", settings: settings({ max: 2, windowMs: 60_000 }) });
    const error = await failure(smaller.get(want(web.url)));
    // Two must have freed before a third may come: the third of four.
    const waitsUntil = (await nowMicros()) + error.retryAfterMs! * 1000;
    expect(waitsUntil).toBeGreaterThanOrEqual(frees[2]!);
  });

  test("is waited for here when it is short, first come first served, and an abort ends the wait", async () => {
    const rate = { max: 1, windowMs: 300 };
    const batch = new AbortController();
    const options = { name: "short", settings: settings(rate), marginMs: 50, inlineWaitMs: 60_000 };
    const upstream = client(options);
    const paths = ["/0", "/1", "/2", "/3"];
    const all = paths.map((path) => upstream.get(want(web.url + path)));
    const aborted = client({ ...options, signal: batch.signal }).get(want(`${web.url}/never`));
    batch.abort(new Error("stopped"));
    await expect(aborted).rejects.toThrow("stopped");
    await Promise.all(all);
    expect(web.arrivals.map(({ path }) => path)).toEqual(paths);
  });

  test("does not exist for an unlimited upstream, which is told the time all the same", async () => {
    const upstream = client({ name: "unlimited" });
    const answers = await Promise.all(Array.from({ length: 20 }, () => upstream.get(want(web.url))));
    expect(new Set(answers.map(({ fetchedAt }) => fetchedAt)).size).toBe(20);
    expect(await redis.exists(makeKeys("uee-test").upstream("unlimited").slots)).toBe(0);
  });
});

describe("a Redis that restarted", () => {
  const rate = { max: 5, windowMs: 60_000 };
  const stopNow = async (of: TestRedis) => {
    const [seconds, micros] = await of.client().time();
    await of.client().set("uee:clean-stop", `${Number(seconds) * 1e6 + Number(micros)}`);
  };

  test("and kept its data makes all clients wait for one window from its start: its last second may be lost", async () => {
    const own = await startRedis({ appendonly: true });
    const before = client({ name: "kept", settings: settings(rate) }, own);
    await before.get(want(web.url));
    await own.restart();
    for (const upstream of [client({ name: "kept", settings: settings(rate) }, own), before]) {
      const error = await failure(upstream.get(want(web.url)));
      expect(error.code).toBe("PROV_RATE_WAIT");
      expect(error.retryAfterMs).toBeGreaterThan(30_000);
      expect(error.retryAfterMs).toBeLessThanOrEqual(63_250);
    }
    expect(web.arrivals).toHaveLength(1);
    await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
    await own.stop();
  });

  test("and lost everything learns it from those that had sent under the old one, even while they have nothing to send", async () => {
    const own = await startRedis();
    const before = client({ name: "lost", settings: settings(rate) }, own);
    await before.get(want(web.url));
    await own.restart();
    const newcomer = client({ name: "lost", settings: settings(rate) }, own);
    while (!(await newcomer.waiting())) await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await failure(newcomer.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    expect((await failure(before.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    expect(web.arrivals).toHaveLength(1);
    await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
    await own.stop();
  });

  test("is a stranger to newcomers, yet one that sent before makes all of them wait when it asks", async () => {
    const own = await startRedis();
    const before = client({ name: "first", settings: settings(rate) }, own);
    await before.get(want(web.url));
    await own.restart();
    await failure(before.get(want(web.url)));
    const newcomer = client({ name: "first", settings: settings(rate) }, own);
    expect((await failure(newcomer.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
    await own.stop();
  });

  test("after a clean stop goes on at once, with the slots it kept", async () => {
    const own = await startRedis({ appendonly: true });
    const before = client({ name: "clean", settings: settings(rate) }, own);
    for (let i = 0; i < 3; i++) await before.get(want(web.url));
    await stopNow(own);
    await own.restart();
    await before.get(want(web.url));
    const newcomer = client({ name: "clean", settings: settings(rate) }, own);
    await newcomer.get(want(web.url));
    expect((await failure(newcomer.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    expect(web.arrivals).toHaveLength(5);
    await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
    await own.stop();
  });

  test("is not taken for cleanly stopped because of a clean stop before the last requests", async () => {
    const own = await startRedis({ appendonly: true });
    await stopNow(own);
    const before = client({ name: "older", settings: settings(rate) }, own);
    await before.get(want(web.url));
    await own.restart();
    const newcomer = client({ name: "older", settings: settings(rate) }, own);
    expect((await failure(newcomer.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
    await Promise.all(opened.splice(0).map((upstream) => upstream.close()));
    await own.stop();
  });
});

test("a replica that took over makes all clients wait for one window: it may not know of requests that were sent", async () => {
  const rate = { max: 1, windowMs: 300 };
  const small = { name: "failover", settings: settings(rate), marginMs: 50, maxSendDelayMs: 100 };
  // Longer than any wait that would count from its start.
  const up = async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.info("server"))?.[1]);
  while ((await up()) < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  await client(small).get(want(web.url));
  const { slots, state } = makeKeys("uee-test").upstream("failover");
  // As it would be found: of the old master's run, without its last slots.
  await redis.hset(state, "redisRunId", "0".repeat(40));
  await redis.del(slots);
  const newcomer = client({ ...small, inlineWaitMs: 0 });
  expect((await failure(newcomer.get(want(web.url)))).code).toBe("PROV_RATE_WAIT");
  expect(web.arrivals).toHaveLength(1);
});

describe("a fleet that disagrees", () => {
  const rate = { max: 5, windowMs: 30_000 };

  test("does not start: the second process learns which settings differ, and no secret", async () => {
    await client({ name: "fleet", settings: settings(rate, "secret-one") }).register();
    const faster = client({ name: "fleet", settings: settings({ max: 50, windowMs: 30_000 }, "secret-two") });
    const error = await failure(faster.register());
    expect([error.code, error.class]).toEqual(["SYS_FLEET_DISAGREES", "configuration"]);
    expect(error.detail).toContain("rate (here 50/30000ms, there 5/30000ms) and API key");
    expect(error.data.differing).toEqual(["rate", "API key"]);
    expect(JSON.stringify([error.detail, error.data])).not.toContain("secret-");
    expect((await failure(faster.get(want(web.url)))).code).toBe("SYS_FLEET_DISAGREES");
    expect(web.arrivals).toHaveLength(0);

    const keyless = client({ name: "fleet", settings: settings(rate) });
    expect((await failure(keyless.register())).detail).toContain("API key (here none, there set)");
    const moved = { ...settings(rate, "secret-one"), baseUrl: "http://user:pass@elsewhere/" };
    const elsewhere = await failure(client({ name: "fleet", settings: moved }).register());
    expect(elsewhere.data.differing).toEqual(["address"]);
  });

  test("is one no longer once the other process has left, or has died and its entry expired", async () => {
    const first = client({ name: "leaving", settings: settings(rate) });
    const second = client({ name: "leaving", settings: settings("unlimited") });
    const third = client({ name: "leaving", settings: settings(rate) });
    await first.register();
    expect((await failure(second.register())).code).toBe("SYS_FLEET_DISAGREES");
    await first.close();
    await second.register();
    expect((await failure(third.register())).code).toBe("SYS_FLEET_DISAGREES");
    const { pods } = makeKeys("uee-test").upstream("leaving");
    const [entry] = await redis.zrange(pods, "0", "-1");
    await redis.zadd(pods, "XX", `${(await nowMicros()) - 1}`, entry!);
    await third.register();
  });
});
