import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../../src/core/json.ts";
import {
  type ContentEntry,
  type Counts,
  type LogEntry,
  type Simulator,
  startSimulator,
} from "../../../src/simulator/index.ts";
import { type Exchange, exchange, json, nvdPage } from "./http.ts";

describe("The control API", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ cves: 120, cwes: 30, capecs: 30, attackObjects: 60 });
  });
  afterAll(() => simulator.close());

  const control = (path: string, body?: unknown): Promise<Exchange> =>
    exchange(
      `${simulator.url}/_sim/${path}`,
      body === undefined ? {} : { method: "POST", body: JSON.stringify(body) },
    );

  test.each(["cve", "feeds", "cwe", "capec", "attack", "kev", "epss"] as const)(
    "prints the content of %s as sorted lines",
    async (provider) => {
      const lines = (await control(`content/${provider}`)).body.toString().trimEnd().split("\n");
      const entries = lines.map((line) => JSON.parse(line) as ContentEntry);
      const truth = [...simulator.content(provider)];
      expect(entries.map(canonicalJson)).toEqual(truth.map(canonicalJson));
      const ids = entries.map(({ id }) => id);
      expect(ids).toEqual([...ids].sort());
    },
  );

  test("switches faults on and off while requests go on, and tells the log and the counts", async () => {
    expect(json(await control("faults", { faults: ["status-503x1:cve", "bad-record@0.1:attack"] }))).toEqual({
      faults: ["status-503x1:cve", "bad-record@0.1:attack"],
    });
    const since = simulator.log().at(-1)?.n ?? 0;
    expect((await exchange(simulator.urls.cve)).status).toBe(503);
    expect((await exchange(simulator.urls.cve)).status).toBe(200);
    const log = json(await control(`log?since=${since}`)) as LogEntry[];
    expect(log.map(({ status, fault }) => [status, fault])).toEqual([
      [503, "status-503"],
      [200, null],
    ]);
    const counts = json(await control("counts")) as Counts;
    expect(counts.injected["status-503"]).toBe(1);
    expect((json(await control("bad-records/attack")) as unknown[]).length).toBeGreaterThan(0);
    await control("faults", { faults: [] });
    expect(json(await control("faults"))).toEqual({ faults: [] });
  });

  test("changes the content, at once or after some requests, and moves the clock", async () => {
    const report = json(await control("change", { add: 3 })) as { added: string[] };
    expect(report.added).toHaveLength(3);
    expect(nvdPage(await exchange(simulator.urls.cve)).totalResults).toBe(123);
    expect((await control("change", { afterRequests: 1, change: { remove: 2 } })).status).toBe(202);
    expect(nvdPage(await exchange(simulator.urls.cve)).totalResults).toBe(123);
    expect(nvdPage(await exchange(simulator.urls.cve)).totalResults).toBe(121);
    await control("clock", { now: "2030-01-01T00:00:00Z" });
    expect(nvdPage(await exchange(simulator.urls.cve)).timestamp).toMatch(/^2030-01-01T00:0/);
    await control("clock", { now: null });
    const moved = json(await control("point", { point: "after" })) as Record<string, { added: string[] }>;
    expect(moved.attack!.added.length).toBeGreaterThan(0);
  });

  test("changes a share of the records, as a mass modification does", async () => {
    const live = [...simulator.content("cve")].length;
    const report = json(await control("change", { modify: "95%" })) as { modified: string[] };
    expect(report.modified).toHaveLength(Math.round(live * 0.95));
  });

  test.each([
    ["faults", { faults: ["nonsense"] }, "SYS_USAGE"],
    ["faults", { faults: "reset" }, "API_BAD_INPUT"],
    ["point", { point: "now" }, "API_BAD_INPUT"],
    ["change", { deleted: 1 }, "API_BAD_INPUT"],
    ["change", { remove: ["CVE-1900-0001"] }, "API_NOT_FOUND"],
    ["change", { provider: "osv", add: 1 }, "API_BAD_INPUT"],
    ["change", { modify: "many" }, "API_BAD_INPUT"],
    ["change", { feeds: "drop" }, "API_BAD_INPUT"],
    ["nothing", {}, "API_NOT_FOUND"],
  ])("refuses %s %j with a code", async (path, body, code) => {
    const answer = await control(path, body);
    expect(answer.status).toBe(400);
    expect(json(answer)).toMatchObject({ error: { code } });
  });
});
