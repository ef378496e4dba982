/** What followers of /events get: the present state, then what changes, and after a lost connection what they missed. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { providers as registered } from "../../../src/providers/registry.ts";
import { type EventStream, followEvents } from "../../support/eventStream.ts";
import { until } from "../../support/until.ts";
import { bearer, startDashboard, type TestDashboard, token } from "./support.ts";

let dashboard: TestDashboard;
const streams: EventStream[] = [];
beforeEach(async () => {
  dashboard = await startDashboard({ limits: { pollMs: 50 } });
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await dashboard.close();
});

async function follow(headers = {}, url = dashboard.url): Promise<EventStream> {
  const stream = await followEvents(url, { ...bearer, ...headers });
  streams.push(stream);
  return stream;
}

const transitionTo = (state: string) => (event: { name: string; data: unknown }) =>
  event.name === "transition" && (event.data as { newState: string }).newState === state;
const pause = () =>
  dashboard.send("POST", "/api/providers/cve/pause", { reason: "why not" }, { "x-actor": "ann" });
const resume = () => dashboard.send("POST", "/api/providers/cve/resume");

/** The first state has come: what it was sent with an id can be resumed. */
const settled = (stream: EventStream) => until(() => stream.lastId !== undefined);

describe("a new follower", () => {
  test("gets the whole present state, headed by a reset, and pulses from then on", async () => {
    const stream = await follow();
    expect(stream.status).toBe(200);
    expect(stream.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(stream.headers["cache-control"]).toBe("no-store");
    await settled(stream);
    await until(() => stream.of("pulse").length > 2);
    const names = stream.events.map(({ name }) => name).filter((name) => name !== "pulse");
    expect(names).toEqual(["reset", "overview", "kernel", "permits", "workers", "breakers"]);
    expect(stream.of("overview")[0]!.data).toMatchObject({
      providers: [{ provider: "cve" }, ...registered.slice(1).map(() => ({}))],
    });
    expect(stream.of("pulse")[0]!.data).toEqual({
      at: expect.any(String),
      redis: "ok",
      code: null,
      message: null,
    });
  });

  test("receives every change once, with who and why, and nothing that happened before", async () => {
    await pause();
    await resume();
    const stream = await follow();
    await settled(stream);
    await pause();
    const heard = await stream.wait(transitionTo("PAUSED"));
    expect(heard.data).toMatchObject({ provider: "cve", trigger: "pause", actor: "ann", reason: "why not" });
    await stream.wait(
      ({ name, data }) =>
        name === "overview" &&
        (data as { providers: { machine: { state: string } }[] }).providers[0]!.machine.state === "PAUSED",
    );
    await dashboard.send("PUT", "/api/permits/size", { size: 3 });
    await stream.wait(({ name, data }) => name === "quota" && (data as { permits: number }).permits === 3);
    expect(stream.of("transition")).toHaveLength(1);
    expect(stream.of("quota")).toHaveLength(1);
  });

  test("is not told again what has not changed", async () => {
    const stream = await follow();
    await settled(stream);
    const pulses = stream.of("pulse").length;
    await until(() => stream.of("pulse").length > pulses + 10);
    expect(stream.of("permits")).toHaveLength(1);
    expect(stream.of("workers")).toHaveLength(1);
  });
});

describe("a follower whose connection broke", () => {
  test("gets what it missed, and no more, when it comes back with its last id", async () => {
    const first = await follow();
    await settled(first);
    await pause();
    await first.wait(transitionTo("PAUSED"));
    await until(() => first.lastId !== undefined && first.of("overview").length > 1);
    const { lastId } = first;
    first.close();
    await resume();
    await until(async () => {
      const { json } = await dashboard.get("/api/transitions?provider=cve&limit=1");
      return (json.transitions as { trigger: string }[])[0]?.trigger === "finish";
    });
    const second = await follow({ "last-event-id": lastId });
    await second.wait(transitionTo("TERMINATED"));
    const missed = second.of("transition").map(({ data }) => (data as { newState: string }).newState);
    expect(missed).toEqual(["ACQUIRING", "TERMINATED"]);
    expect(second.of("reset")).toEqual([]);
  });

  test("starts from the beginning at another dashboard, or with an unknown id", async () => {
    const first = await follow();
    await settled(first);
    const other = await dashboard.another();
    const elsewhere = await follow({ "last-event-id": first.lastId }, other.url);
    const strange = await follow({ "last-event-id": "nonsense" });
    const future = await follow({ "last-event-id": `${first.lastId!.split(".")[0]}.999999` });
    for (const stream of [elsewhere, strange, future]) {
      await settled(stream);
      expect(stream.of("reset")).toHaveLength(1);
    }
  });
});

describe("many followers", () => {
  test("cost Redis no more than one", async () => {
    const redis = dashboard.redis.client();
    const asked = async (): Promise<number> => {
      const stats = await redis.info("commandstats");
      return Number(/cmdstat_xrevrange:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const during = async (stream: EventStream): Promise<number> => {
      const before = { asked: await asked(), pulses: stream.of("pulse").length };
      await until(() => stream.of("pulse").length >= before.pulses + 20);
      return ((await asked()) - before.asked) / (stream.of("pulse").length - before.pulses);
    };
    const one = await follow();
    await settled(one);
    const alone = await during(one);
    for (let i = 0; i < 30; i++) await settled(await follow());
    expect(await during(one)).toBeLessThan(alone * 1.5);
  });

  test("are bounded: one too many is told to come back later", async () => {
    const small = await dashboard.another({ limits: { pollMs: 50, followers: 2 } });
    await follow({}, small.url);
    const second = await follow({}, small.url);
    const third = await follow({}, small.url);
    expect(third.status).toBe(503);
    expect(third.headers["retry-after"]).toBe("5");
    second.close();
    await until(async () => (await follow({}, small.url)).status === 200);
  });

  test("one that does not read is cut off, and the others do not notice", async () => {
    const strict = await dashboard.another({ limits: { pollMs: 5, followerBytes: 400_000, followers: 2 } });
    const slow = await follow({}, strict.url);
    const quick = await follow({}, strict.url);
    await settled(quick);
    slow.hang();
    const redis = dashboard.redis.client();
    let round = 0;
    // Who hangs does not notice its end either; that its place is free again shows it.
    await until(async () => {
      // Enough for the sockets' own buffers to fill up.
      await redis.hset("{uee:cve}:machine", { reason: `${round++} ${"x".repeat(100_000)}` });
      const third = await follow({}, strict.url);
      third.close();
      return third.status === 200;
    }, 90_000);
    expect(round).toBeGreaterThan(1);
    const pulses = quick.of("pulse").length;
    await until(() => quick.of("pulse").length > pulses);
    expect(quick.ended).toBe(false);
  });
});

describe("the end of a stream", () => {
  test("is announced when the dashboard stops", async () => {
    const other = await dashboard.another({ limits: { pollMs: 50 } });
    const stream = await follow({}, other.url);
    await settled(stream);
    await other.app.close();
    await until(() => stream.ended);
    expect(stream.events.at(-1)!.name).toBe("bye");
  });

  test("comes when the login that opened it is ended", async () => {
    const answer = await dashboard.ask("/api/session", { method: "POST", body: { token, name: "ann" } });
    const cookie = answer.headers["set-cookie"]![0]!.split(";")[0]!;
    const stream = await followEvents(dashboard.url, { cookie });
    streams.push(stream);
    await settled(stream);
    const headers = { cookie, "x-csrf-token": answer.json.csrfToken as string };
    expect((await dashboard.ask("/api/session", { method: "DELETE", headers })).status).toBe(204);
    await until(() => stream.ended);
  });
});
