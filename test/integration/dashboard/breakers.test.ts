/** Circuit breakers over HTTP, in the events and in the metrics. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { providers as registered } from "../../../src/providers/registry.ts";
import { followEvents } from "../../support/eventStream.ts";
import { readMetrics, sampleOf } from "../../support/promText.ts";
import { until } from "../../support/until.ts";
import { bearer, startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
beforeAll(async () => {
  dashboard = await startDashboard({
    limits: { pollMs: 50 },
    // No server listens there.
    engine: { providers: { cve: { url: "http://127.0.0.1:9/", rate: "unlimited" } } },
  });
});
afterAll(() => dashboard.close());

const breakers = async () =>
  (await dashboard.get("/api/breakers")).json.breakers as { upstream: string; state: string }[];
const transitions = async (query = "") =>
  (await dashboard.get(`/api/breakers/transitions${query}`)).json.transitions as Record<string, unknown>[];

test("every upstream has one, closed at first", async () => {
  expect(await breakers()).toEqual(
    registered.map(({ name: upstream }) =>
      expect.objectContaining({ upstream, state: "closed", consecutiveFailures: 0, lastFailure: null }),
    ),
  );
  expect(await transitions()).toEqual([]);
});

test("one that opens says why, is told to followers, shows in metrics, and is closed by a person with a reason", async () => {
  const stream = await followEvents(dashboard.url, bearer);
  const worker = await dashboard.test.engine.startWorker();
  await dashboard.test.engine.openRun({ provider: "cve", mode: "full" });
  await until(async () => (await transitions()).length > 0);
  await dashboard.send("POST", "/api/providers/cve/pause");
  await worker.stop();
  expect((await transitions("?upstream=cve")).at(-1)).toMatchObject({
    upstream: "cve",
    oldState: "closed",
    newState: "open",
    trigger: "trip",
    failures: 5,
    reason: expect.stringContaining("PROV_CONNECTION"),
  });
  await stream.wait(
    ({ name, data }) =>
      name === "breakers" &&
      (data as { breakers: { state: string }[] }).breakers.some(({ state }) => state !== "closed"),
  );
  stream.close();
  const metrics = readMetrics((await dashboard.get("/metrics")).text);
  expect(sampleOf(metrics, "uee_breaker_opens_total", { upstream: "cve" })).toBeGreaterThan(0);
  expect(sampleOf(metrics, "uee_breaker_opens_total", { upstream: "cwe" })).toBe(0);
  expect(
    sampleOf(metrics, "uee_breaker_calls_total", { upstream: "cve", outcome: "failure" }),
  ).toBeGreaterThan(4);

  const open = (await breakers())[0]!.state !== "closed";
  const reset = await dashboard.send(
    "POST",
    "/api/breakers/cve/reset",
    { reason: "the proxy is mended" },
    { "x-actor": "ann" },
  );
  expect([reset.status, reset.json]).toEqual([
    202,
    { changed: open, breaker: expect.objectContaining({ upstream: "cve", state: "closed" }) },
  ]);
  expect((await transitions("?limit=1"))[0]).toMatchObject({
    trigger: "reset",
    actor: "ann",
    actorKind: "person",
    reason: "the proxy is mended",
  });
});

test("of an upstream that is none there is none", async () => {
  expect((await dashboard.send("POST", "/api/breakers/nvd/reset")).json.code).toBe("PROV_UNKNOWN");
  expect((await dashboard.get("/api/breakers/transitions?upstream=nvd")).status).toBe(404);
  expect((await dashboard.ask("/api/breakers")).status).toBe(401);
});
