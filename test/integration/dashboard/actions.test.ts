/** What people ask for through the API: accepted or refused with what would allow it; who and why are kept. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { makeLogger } from "../../../src/core/logger.ts";
import type { HistoryLine } from "../../../src/engine/api.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { until } from "../../support/until.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
let listing: ListingServer;
beforeAll(async () => {
  listing = await startListing(makeRecords(100));
});
afterAll(() => listing.close());
beforeEach(async () => {
  dashboard = await startDashboard({
    engine: { providers: { cve: { url: listing.url, rate: "unlimited" } } },
  });
});
afterEach(() => dashboard.close());

const post = (action: string, body?: unknown, headers = {}) =>
  dashboard.send("POST", `/api/providers/cve/${action}`, body, headers);
const state = async (): Promise<string> => {
  const { json } = await dashboard.get("/api/etl-tree");
  return (json.providers as { state: string }[])[0]!.state;
};

describe("actions on a provider", () => {
  test("a run is started, paused, resumed and stopped, and the state follows at once", async () => {
    const started = await post("start", { mode: "full" });
    expect(started.status).toBe(202);
    expect(started.json).toEqual({ runId: expect.stringMatching(/^cve-/), joined: false, mode: "full" });
    expect(await state()).toBe("ACQUIRING");

    const joined = await post("start");
    expect([joined.status, joined.json]).toEqual([202, { ...started.json, joined: true }]);

    const paused = await post("pause", { reason: "NVD moves house" });
    expect(paused.status).toBe(202);
    expect(paused.json).toMatchObject({
      machine: { state: "PAUSED", reason: "NVD moves house", actor: "api" },
    });
    expect(await state()).toBe("PAUSED");

    expect((await post("resume")).json).toMatchObject({ machine: { state: "ACQUIRING" } });
    expect((await post("stop")).json).toMatchObject({ machine: { state: "TERMINATED" } });
    const { json } = await dashboard.get("/api/runs");
    expect(json.runs).toMatchObject([{ state: "stopped", error: { code: "PROV_STOPPED" } }]);
  });

  test("a started run runs to its end", async () => {
    const worker = await dashboard.test.engine.startWorker();
    await post("start", {});
    await until(async () => {
      const { json } = await dashboard.get("/api/runs");
      return (json.runs as { state: string }[])[0]?.state === "complete";
    });
    await worker.stop();
  });

  test("a body may be empty, with or without a content type", async () => {
    expect((await post("pause")).status).toBe(202);
    expect((await post("pause", "", { "content-type": "application/json" })).status).toBe(202);
  });

  const refusals: [action: string, before: string[], allowed: string[], code: string][] = [
    ["resume", [], ["PAUSED"], "PROV_ILLEGAL_TRANSITION"],
    ["resume", ["start"], ["PAUSED"], "PROV_ILLEGAL_TRANSITION"],
    [
      "stop",
      [],
      ["ACQUIRING", "RUNNING", "WAITING_QUOTA", "WAITING_BACKOFF", "PAUSED"],
      "PROV_ILLEGAL_TRANSITION",
    ],
    ["start", ["pause"], ["IDLE", "TERMINATED"], "PROV_PAUSED"],
    ["start", ["start", "pause"], ["IDLE", "TERMINATED"], "PROV_PAUSED"],
  ];
  test.each(refusals)(
    "%s after %j is refused with the states that would allow it",
    async (action, before, allowed, code) => {
      for (const one of before) expect((await post(one)).status).toBe(202);
      const was = await state();
      const refused = await post(action);
      expect(refused.status).toBe(409);
      expect(refused.json).toMatchObject({
        code,
        state: was,
        allowed,
        message: expect.any(String),
        remedy: expect.any(String),
      });
      expect(await state()).toBe(was);
    },
  );

  test("a full run over an open increment says which run is open", async () => {
    const worker = await dashboard.test.engine.startWorker();
    await post("start");
    await until(async () => (await state()) === "TERMINATED");
    await worker.stop();
    const open = await post("start", { mode: "incremental" });
    const refused = await post("start", { mode: "full" });
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ code: "PROV_RUN_OPEN", runId: open.json.runId });
  });

  test("what the overview offers is what is accepted", async () => {
    const offered = async () => {
      const { json } = await dashboard.get("/api/overview");
      return (json.providers as { actions: string[] }[])[0]!.actions;
    };
    expect(await offered()).toEqual(["start", "pause"]);
    await post("start");
    expect(await offered()).toEqual(["pause", "stop"]);
    await post("pause");
    expect(await offered()).toEqual(["resume", "stop"]);
  });
});

test("the history names all that people did, with who and why, in the same rows as `uee history`", async () => {
  listing.records[3] = { ...listing.records[3]!, references: "none" };
  await dashboard.test.run("cve");
  const by = { "x-actor": "ann" };
  const asked: [method: string, path: string, body: object][] = [
    ["POST", "/api/providers/cve/pause", {}],
    ["POST", "/api/providers/cve/resume", {}],
    ["PUT", "/api/permits/size", { size: 3 }],
    ["POST", "/api/dead-letters/accept", { filter: { provider: "cve" } }],
    ["POST", "/api/dead-letters/purge", { filter: { provider: "cve" } }],
  ];
  for (const [method, path, body] of asked) {
    const answer = await dashboard.send(method, path, { ...body, reason: "for a test" }, by);
    expect([path, answer.status]).toEqual([path, 202]);
  }
  const breaker = { at: "2020-01-01T00:00:00.000Z", old_state: "closed", new_state: "open", trigger: "trip" };
  const entry = { ...breaker, version: "1", actor: "desk:7", actor_kind: "engine", reason: "5 failures" };
  const { breakerTransitions } = makeKeys("uee").upstream("kev");
  await dashboard.redis.client().xadd(breakerTransitions, "*", ...Object.entries(entry).flat());
  const { json } = await dashboard.get("/api/history?limit=200");
  const { engine } = dashboard.test;
  expect(json.history).toEqual(await engine.history({ limit: 200 }));
  expect(json.history).toContainEqual({
    ...{ at: breaker.at, kind: "breaker", provider: "kev", what: "breaker closed → open", trigger: "trip" },
    ...{ actor: "desk:7", actorKind: "engine", reason: "5 failures" },
  });
  const people = (await dashboard.get("/api/history?people=true&limit=200")).json.history as HistoryLine[];
  expect(people.map(({ what }) => what).reverse()).toEqual([
    "IDLE → ACQUIRING",
    "TERMINATED → PAUSED",
    "PAUSED → ACQUIRING",
    "ACQUIRING → TERMINATED",
    "resize to 3",
    "dead letters: accept begun",
    "dead letters: accepted 1",
    "dead letters: purge begun",
    "dead letters: purged 1",
  ]);
  for (const { actor, actorKind, reason } of people.slice(0, -1))
    expect({ actor, actorKind, reason }).toEqual({ actor: "ann", actorKind: "person", reason: "for a test" });
  expect((await dashboard.get("/api/history?provider=cwe")).json).toEqual({ history: [] });
  expect((await dashboard.get("/api/history?provider=nope")).status).toBe(404);
});

describe("a Redis that hangs", () => {
  test("does not keep clients waiting: reads and changes are refused with 503 in time", async () => {
    const hasty = await dashboard.another({ limits: { answerMs: 300 } });
    await dashboard.redis.kill("SIGSTOP");
    try {
      for (const ask of [
        () => hasty.get("/api/etl-tree"),
        () => hasty.send("POST", "/api/providers/cve/pause", { reason: "x" }),
        () => hasty.send("PUT", "/api/permits/size", { size: 3 }),
        () => hasty.send("POST", "/api/providers/cve/pause"),
      ]) {
        const answer = await ask();
        expect([answer.status, answer.json.code]).toEqual([503, "SYS_REDIS_UNREACHABLE"]);
        expect(answer.headers["retry-after"]).toBe("1");
      }
    } finally {
      await dashboard.redis.kill("SIGCONT");
    }
    await until(async () => (await hasty.get("/api/etl-tree")).status === 200);
  });

  test("is answered once: what comes after the answer is dropped without a log line", async () => {
    const lines: string[] = [];
    const logger = makeLogger({ level: "trace", destination: { write: (line) => void lines.push(line) } });
    const hasty = await dashboard.another({ limits: { answerMs: 300 }, logger });
    await dashboard.redis.kill("SIGSTOP");
    try {
      for (const ask of [
        () => hasty.get("/readyz"),
        () => hasty.get("/api/etl-tree"),
        () => hasty.get("/metrics"),
        () => hasty.send("POST", "/api/providers/cve/start", {}),
        () => hasty.send("PUT", "/api/permits/size", { size: 3 }),
      ]) {
        expect((await ask()).status).toBeGreaterThanOrEqual(200);
      }
    } finally {
      await dashboard.redis.kill("SIGCONT");
    }
    // Asked over the same connection to Redis, hence after everything that was late.
    await until(async () => (await hasty.get("/readyz")).status === 200);
    await until(async () => (await hasty.get("/api/overview")).status === 200);
    expect(lines.filter((line) => /already sent|reply\.sent|REP_ALREADY_SENT/i.test(line))).toEqual([]);
  });
});

describe("who and why", () => {
  const newest = async () => {
    const { json } = await dashboard.get("/api/transitions?provider=cve&limit=1");
    return (json.transitions as Record<string, unknown>[])[0];
  };

  test("X-Actor and the reason are kept with every action", async () => {
    const as = { "x-actor": "ann@desk" };
    await post("start", { reason: "after the outage" }, as);
    expect(await newest()).toMatchObject({
      actor: "ann@desk",
      actorKind: "person",
      reason: "after the outage",
    });
    await post("pause", { reason: "too early" }, as);
    expect(await newest()).toMatchObject({ trigger: "pause", actor: "ann@desk", reason: "too early" });
    await post("resume", { reason: "now" }, as);
    expect(await newest()).toMatchObject({ trigger: "resume", actor: "ann@desk", reason: "now" });
    await post("stop", { reason: "enough" }, as);
    expect(await newest()).toMatchObject({ trigger: "stop", actor: "ann@desk", reason: "enough" });
  });

  test("a resize shows in the history with who and why", async () => {
    const resized = await dashboard.send(
      "PUT",
      "/api/permits/size",
      { size: 4, reason: "night" },
      { "x-actor": "bo" },
    );
    expect(resized.status).toBe(202);
    expect(resized.json).toMatchObject({ configured: 4, effective: 4, changed: true });
    const { json } = await dashboard.get("/api/quota-events?limit=1");
    expect(json.quotaEvents).toMatchObject([{ kind: "resize", permits: 4, actor: "bo", reason: "night" }]);
    expect((await dashboard.get("/api/permits")).json).toMatchObject({ configured: 4 });
  });
});
