import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import type { Redis } from "ioredis";
import type { Breaker } from "../../../src/breakers/breaker.ts";
import type { BreakerTransition } from "../../../src/breakers/report.ts";
import { UeeError } from "../../../src/core/errors.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";
import { ageOpening, ageProbe, enter, fail, freshUpstream, keysOf, moves, pod, refusal } from "./support.ts";

let server: TestRedis;
let redis: Redis;
let other: Redis;
let upstream: string;
let a: Breaker;
let b: Breaker;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  other = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  upstream = freshUpstream();
  a = pod(redis, upstream, "pod-a");
  b = pod(other, upstream, "pod-b");
});

const connection = new UeeError("PROV_CONNECTION", "connect ECONNREFUSED");

describe("a breaker that is closed", () => {
  test("opens at the fifth failure in a row, wherever in the fleet they were met, and says why", async () => {
    await fail(a, 2);
    await fail(b, 2);
    expect((await a.store.view()).state).toBe("closed");
    await fail(a, 1);
    const view = await b.store.view();
    expect(view).toMatchObject({
      state: "open",
      consecutiveFailures: 5,
      opens: 1,
      failedProbes: 0,
      probe: null,
      lastFailure: { code: "PROV_CONNECTION", message: "failure 1" },
    });
    expect(view.remainingMs).toBeGreaterThan(25_000);
    expect(view.remainingMs).toBeLessThanOrEqual(30_000);
    expect(Date.parse(view.until!) - Date.parse(view.openedAt!)).toBe(30_000);
    expect(await moves(a)).toEqual(["closed→open trip"]);
  });

  test("starts its count again at every good answer of any worker", async () => {
    for (let round = 0; round < 3; round++) {
      await fail(a, 4);
      await (await enter(b)).succeeded();
    }
    await b.close();
    expect(await a.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 0 });
  });

  test.each([
    ["throttles", "PROV_THROTTLED"],
    ["wrong keys", "PROV_BAD_KEY"],
    ["wrong addresses", "PROV_NOT_FOUND"],
    ["aborts of ours", "SYS_SHUTDOWN"],
  ] as const)("is neither opened nor set back by %s", async (_what, code) => {
    await fail(a, 4);
    await fail(b, 20, code);
    for (let i = 0; i < 20; i++) await (await enter(b)).abandoned();
    expect(await a.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 4 });
    await fail(a, 1);
    expect((await a.store.view()).state).toBe("open");
  });

  test("counts what went through it, for metrics, fleet-wide", async () => {
    await (await enter(a)).succeeded();
    await (await enter(b)).succeeded();
    await (await enter(b)).abandoned();
    await fail(a, 5);
    await refusal(a);
    await refusal(b);
    await Promise.all([a.close(), b.close()]);
    expect((await a.store.view()).counts).toEqual({
      calls: 8,
      successes: 2,
      failures: 5,
      ignored: 1,
      rejections: 2,
      opens: 1,
    });
  });

  test("lets five hundred calls through at once", async () => {
    const calls = await Promise.all(Array.from({ length: 500 }, () => enter(a)));
    await Promise.all(calls.map((call) => call.succeeded()));
    await a.close();
    expect((await a.store.view()).counts).toMatchObject({ calls: 500, successes: 500, rejections: 0 });
  });
});

describe("a breaker that is open", () => {
  test("lets no call of any pod through, a pod that has just started included, and says for how long", async () => {
    await fail(a, 5);
    const started = pod(server.client(), upstream, "pod-c");
    for (const one of [a, b, started]) {
      const error = await refusal(one);
      expect(error).toMatchObject({ code: "PROV_CIRCUIT_OPEN", class: "deferred" });
      expect(error!.retryAfterMs).toBeGreaterThan(25_000);
      expect(error!.message).toContain(
        "after 5 failures in a row; the last failure: PROV_CONNECTION: failure 5",
      );
    }
  });

  test("stops calls that were let in before and still wait for their turn", async () => {
    const waiting = await enter(b);
    await fail(a, 5);
    // What b knows is older than a quarter of a second when its turn comes.
    const later = performance.now() + 260;
    const clock = jest.spyOn(performance, "now").mockImplementation(() => later);
    try {
      await expect(waiting.confirm()).rejects.toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    } finally {
      clock.mockRestore();
    }
  });

  test("lets a call that waited through its whole opening go on as one of the time after", async () => {
    const waiting = await enter(b);
    await fail(a, 5);
    await a.reset({ actor: "ann" });
    await refusal(b);
    await waiting.confirm();
    await waiting.failed(connection);
    expect(await a.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 1 });
  });

  test("is not closed, nor kept open longer, by calls that began before it opened", async () => {
    const [good, bad] = [await enter(b), await enter(b)];
    await fail(a, 5);
    const opened = await a.store.view();
    await good.succeeded();
    await bad.failed(connection);
    await b.close();
    const now = await a.store.view();
    expect(now).toMatchObject({ state: "open", until: opened.until, opens: 1, version: opened.version });
    expect(now.counts.ignored).toBe(2);
  });
});

describe("the probe", () => {
  beforeEach(async () => {
    await fail(a, 5);
    await ageOpening(redis, upstream);
  });

  test("is one call of the whole fleet, however many come at once", async () => {
    const pods = [a, b, pod(server.client(), upstream, "pod-c"), pod(server.client(), upstream, "pod-d")];
    const asked = await Promise.allSettled(
      pods.flatMap((one) => Array.from({ length: 5 }, () => enter(one))),
    );
    const let_ = asked.filter(({ status }) => status === "fulfilled");
    expect(let_).toHaveLength(1);
    for (const one of asked) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    }
    expect((await a.store.view()).probe).not.toBeNull();
    expect(await moves(a)).toEqual(["closed→open trip", "open→half_open probe_begins"]);
  });

  test("closes the breaker for all when its answer came whole", async () => {
    const probe = await enter(b);
    expect((await refusal(a))?.message).toContain("half open: pod-b tries for all");
    await probe.succeeded();
    expect(await refusal(a)).toBeUndefined();
    expect(await a.store.view()).toMatchObject({
      state: "closed",
      consecutiveFailures: 0,
      openedAt: null,
      until: null,
      probe: null,
      lastFailure: { code: "PROV_CONNECTION" },
    });
  });

  test("opens it again for twice as long each time it fails, and says what it met", async () => {
    for (const seconds of [60, 120, 240, 480, 500, 500]) {
      await ageOpening(redis, upstream);
      expect(await (await enter(b)).failed(connection)).toBe(connection);
      const { remainingMs, state } = await a.store.view();
      expect(state).toBe("open");
      expect(Math.round(remainingMs / 1_000)).toBe(seconds);
      expect(await refusal(a)).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    }
    expect(await a.store.view()).toMatchObject({ failedProbes: 6, opens: 7, consecutiveFailures: 11 });
  });

  test("that met a broken answer opens it again", async () => {
    const html = new UeeError("PROV_HTML");
    expect(await (await enter(b)).failed(html)).toBe(html);
    expect((await a.store.view()).state).toBe("open");
  });

  test("counts from thirty seconds again once it has closed", async () => {
    await (await enter(b)).failed(connection);
    await ageOpening(redis, upstream);
    await (await enter(b)).succeeded();
    await fail(a, 5);
    expect(Math.round((await a.store.view()).remainingMs / 1_000)).toBe(30);
  });

  test.each(["PROV_THROTTLED", "PROV_FORBIDDEN", "PROV_BAD_KEY", "PROV_PAGE_CAP"] as const)(
    "neither closes it nor lengthens its wait when it learned nothing: %s",
    async (code) => {
      const error = new UeeError(code);
      expect(await (await enter(b)).failed(error)).toBe(error);
      const view = await a.store.view();
      expect(view).toMatchObject({ state: "open", failedProbes: 0, opens: 1, probe: null });
      expect(view.remainingMs).toBeLessThanOrEqual(1_000);
      await ageOpening(redis, upstream);
      await (await enter(a)).succeeded();
      expect((await b.store.view()).state).toBe("closed");
    },
  );

  test("is not begun while the fleet's limit would make it wait", async () => {
    const throttled = new UeeError("PROV_THROTTLED", undefined, { retryAfterMs: 9_000 });
    const limitAllows = () => Promise.reject(throttled);
    await expect(enter(a, { limitAllows })).rejects.toBe(throttled);
    expect(await moves(a)).toEqual(["closed→open trip"]);
  });

  test("is not begun by a call that is already called off", async () => {
    const abort = new AbortController();
    const limitAllows = async () => abort.abort(new UeeError("SYS_SHUTDOWN"));
    await expect(enter(a, { limitAllows, signal: abort.signal })).rejects.toMatchObject({
      code: "SYS_SHUTDOWN",
    });
    expect((await a.store.view()).state).toBe("open");
  });

  test("that is cancelled returns its token at once, also while its answer is still held", async () => {
    const abort = new AbortController();
    await enter(b, { signal: abort.signal });
    abort.abort(new UeeError("SYS_SHUTDOWN"));
    await until(async () => (await a.store.view()).state === "open");
    expect(await a.store.view()).toMatchObject({ probe: null, failedProbes: 0 });
  });

  test("of a process that shuts down gives its token back", async () => {
    await enter(b);
    await b.close();
    expect(await a.store.view()).toMatchObject({ state: "open", probe: null });
  });

  test("of a dead process is another's once the lease has run out; nothing that comes late counts", async () => {
    const dead = await enter(b);
    expect(await refusal(a)).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    await ageProbe(redis, upstream);
    const mine = await enter(a);
    expect((await a.store.view()).probe?.by).toBe("pod-a");
    expect(await moves(a)).toEqual([
      "closed→open trip",
      "open→half_open probe_begins",
      "half_open→open prober_lost",
      "open→half_open probe_begins",
    ]);
    await dead.succeeded();
    expect((await a.store.view()).state).toBe("half_open");
    await mine.failed(connection);
    expect((await a.store.view()).state).toBe("open");
  });

  test("that takes long keeps its token: the lease is renewed while the call lasts", async () => {
    const quick = pod(server.client(), upstream, "pod-quick", { leaseMs: 3_000 });
    const probe = await enter(quick);
    const leaseEnds = async () => Number(await redis.hget(keysOf(upstream).breaker, "probe_until_ms"));
    const first = await leaseEnds();
    await until(async () => (await leaseEnds()) > first + 1_500);
    expect(await refusal(a)).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    await probe.confirm();
    await probe.succeeded();
    expect((await a.store.view()).state).toBe("closed");
  });

  test("that has lost its token ends, and does not send what it has not sent yet", async () => {
    const quick = pod(server.client(), upstream, "pod-quick", { leaseMs: 3_000 });
    const probe = await enter(quick);
    await ageProbe(redis, upstream);
    await enter(a);
    await until(() => probe.signal.aborted);
    expect(probe.signal.reason).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    await expect(probe.confirm()).rejects.toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    await probe.succeeded();
    expect((await a.store.view()).state).toBe("half_open");
  });

  test("of a process that slept past its lease is not sent when it wakes", async () => {
    const sleeper = await enter(b);
    await ageProbe(redis, upstream);
    await enter(a);
    const later = performance.now() + 14_000;
    const clock = jest.spyOn(performance, "now").mockImplementation(() => later);
    try {
      await expect(sleeper.confirm()).rejects.toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
    } finally {
      clock.mockRestore();
    }
  });

  test("that comes to no end has failed when its time is up, and is called off", async () => {
    const bounded = pod(server.client(), upstream, "pod-bounded", { probeLimitMs: 200 });
    const probe = await enter(bounded);
    await until(() => probe.signal.aborted);
    expect(probe.signal.reason).toMatchObject({ code: "PROV_TIMEOUT" });
    const view = await a.store.view();
    expect(view).toMatchObject({ state: "open", failedProbes: 1, lastFailure: { code: "PROV_TIMEOUT" } });
    await probe.succeeded();
    expect((await a.store.view()).state).toBe("open");
  });
});

describe("a person", () => {
  test("closes it, by name and with a reason, and takes the token from a probe under way", async () => {
    await fail(a, 5);
    expect(await a.reset({ actor: "ann@desk", reason: "NVD is back" })).toMatchObject({
      changed: true,
      view: { state: "closed", consecutiveFailures: 0 },
    });
    expect(await refusal(b)).toBeUndefined();
    const [last] = (await a.store.transitions({ limit: 1 })).entries;
    expect(last).toMatchObject({
      trigger: "reset",
      actor: "ann@desk",
      actorKind: "person",
      reason: "NVD is back",
    });

    await fail(a, 5);
    await ageOpening(redis, upstream);
    const probe = await enter(b);
    await a.reset({ actor: "ann@desk" });
    await probe.failed(connection);
    expect(await a.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 0 });
  });

  test("changes nothing by closing what is closed", async () => {
    await fail(a, 2);
    expect(await a.reset({ actor: "ann@desk" })).toMatchObject({ changed: false });
    expect(await a.store.view()).toMatchObject({ state: "closed", consecutiveFailures: 2 });
    expect(await moves(a)).toEqual([]);
  });
});

describe("the process that moves it", () => {
  test("is told once of each transition, with the wait that began", async () => {
    const told: BreakerTransition[] = [];
    const one = pod(server.client(), upstream, "pod-one", { onMoved: (move) => void told.push(move) });
    const two = pod(server.client(), upstream, "pod-two", {
      onMoved: () => {
        throw new Error("a listener that fails changes nothing");
      },
    });
    await fail(one, 5);
    await ageOpening(redis, upstream);
    await (await enter(two)).succeeded();
    await Promise.all([one.close(), two.close()]);
    expect(told).toMatchObject([
      {
        upstream,
        oldState: "closed",
        newState: "open",
        trigger: "trip",
        failures: 5,
        failedProbes: 0,
        actor: "pod-one",
        reason: "PROV_CONNECTION: failure 5",
      },
    ]);
    expect(Date.parse(told[0]!.until!) - Date.parse(told[0]!.at)).toBe(30_000);
  });
});

describe("while Redis is away", () => {
  test("a process opens for itself, tries alone with growing waits, and believes Redis again when it is back", async () => {
    const away = await startRedis();
    try {
      const alone = pod(away.client({ maxRetriesPerRequest: 0 }), upstream, "pod-alone", {
        policy: {
          threshold: 5,
          firstOpenMs: 300,
          longestOpenMs: 10_000,
          jitter: 0,
          pauseMs: 10,
          probingMs: 10,
        },
      });
      await (await enter(alone)).succeeded();
      await away.kill();
      await fail(alone, 4);
      expect(await refusal(alone)).toBeUndefined();
      await fail(alone, 1);
      expect(await refusal(alone)).toMatchObject({ code: "PROV_CIRCUIT_OPEN", class: "deferred" });
      await until(() => alone.localState === "half_open");
      await (await enter(alone)).failed(connection);
      const failedAt = performance.now();
      expect(await refusal(alone)).toMatchObject({ code: "PROV_CIRCUIT_OPEN" });
      await until(() => alone.localState === "half_open");
      expect(performance.now() - failedAt).toBeGreaterThan(500);
      await (await enter(alone)).failed(connection);
      await away.restart();
      await until(async () => (await refusal(alone)) === undefined);
      expect((await alone.store.view()).state).toBe("closed");
      await alone.close();
    } finally {
      await away.stop();
    }
  });

  test("a Redis that lost everything is believed: the breaker is closed", async () => {
    await fail(a, 5);
    await redis.del(keysOf(upstream).breaker);
    expect(await refusal(a)).toBeUndefined();
  });
});
