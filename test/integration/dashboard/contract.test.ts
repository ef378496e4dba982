/** The answers of the contract, field by field, over a mirror that has something to show. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { providers as registered } from "../../../src/providers/registry.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { until } from "../../support/until.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
let listing: ListingServer;
beforeAll(async () => {
  listing = await startListing(makeRecords(4_500));
  dashboard = await startDashboard({
    engine: { providers: { cve: { url: listing.url, rate: "unlimited" } }, permits: 7 },
  });
  await dashboard.test.run("cve");
});
afterAll(async () => {
  await dashboard.close();
  await listing.close();
});

const names = (value: unknown): string[] => Object.keys(value as object).sort();
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("/api/etl-tree", () => {
  test("has the contract's fields and no others", async () => {
    const { status, json } = await dashboard.get("/api/etl-tree");
    expect(status).toBe(200);
    expect(names(json)).toEqual(["macro_fsm", "providers", "total_checkpoints"]);
    expect(names(json.macro_fsm)).toEqual(["created_at", "id", "state", "updated_at"]);
    const providers = json.providers as Record<string, unknown>[];
    expect(providers.map(({ id }) => id)).toEqual(registered.map(({ name }) => name));
    for (const provider of providers) {
      expect(names(provider)).toEqual(
        [
          ...["id", "provider_type", "state", "last_checkpoint", "processed_count", "error_count"],
          ...["permits_allocated", "created_at", "updated_at"],
        ].sort(),
      );
    }
  });

  test("tells the truth of a run that is over, and of providers that never ran", async () => {
    const { json } = await dashboard.get("/api/etl-tree");
    const [cve, cwe] = json.providers as Record<string, unknown>[];
    expect(cve).toEqual({
      id: "cve",
      provider_type: "cve",
      state: "TERMINATED",
      last_checkpoint: `v2e::nvd::cve::${listing.records.at(-1)!.id}`,
      processed_count: 4_500,
      error_count: 0,
      permits_allocated: 0,
      created_at: iso,
      updated_at: iso,
    });
    expect(Date.parse(cve!.created_at as string)).toBeLessThan(Date.parse(cve!.updated_at as string));
    expect(cwe).toMatchObject({ state: "IDLE", last_checkpoint: null, processed_count: 0, created_at: null });
    expect(json.total_checkpoints).toBe(3);
    expect(json.macro_fsm).toMatchObject({ state: "DRAINING", created_at: iso, updated_at: iso });
  });
});

describe("/api/kernel-metrics", () => {
  test("has the contract's fields and no others, all of them numbers", async () => {
    const { status, json } = await dashboard.get("/api/kernel-metrics");
    expect(status).toBe(200);
    expect(names(json)).toEqual(
      [
        ...["p99_latency_ms", "buffer_saturation", "active_workers", "total_permits"],
        ...["allocated_permits", "available_permits", "message_rate", "error_rate"],
      ].sort(),
    );
    for (const value of Object.values(json)) expect(Number.isFinite(value)).toBe(true);
    expect(json).toMatchObject({ total_permits: 7, allocated_permits: 0, available_permits: 7 });
  });

  test("shows the size that the pool will have before its first use", async () => {
    const fresh = await startDashboard();
    try {
      expect((await fresh.get("/api/kernel-metrics")).json).toMatchObject({
        total_permits: 10,
        available_permits: 10,
      });
    } finally {
      await fresh.close();
    }
  });

  test("keeps a history that the workers write", async () => {
    const worker = await dashboard.test.engine.startWorker();
    try {
      await until(async () => {
        const { json } = await dashboard.get("/api/kernel-metrics/history");
        return (json.samples as unknown[]).length > 0;
      });
      const { json } = await dashboard.get("/api/kernel-metrics/history?limit=1");
      expect(json.intervalMs).toBe(5_000);
      expect(json.samples).toEqual([
        expect.objectContaining({ at: iso, active_workers: 1, total_permits: 7 }),
      ]);
    } finally {
      await worker.stop();
    }
  });
});

describe("/api/providers/:id/checkpoints", () => {
  test("gives the newest first, as many as wanted", async () => {
    const { json } = await dashboard.get("/api/providers/cve/checkpoints?limit=2&success_only=true");
    const found = json.checkpoints as Record<string, unknown>[];
    expect(found).toHaveLength(2);
    expect(found[0]).toEqual({
      urn: expect.stringMatching(/^v2e::nvd::cve::CVE-/),
      runId: expect.stringMatching(/^cve-/),
      batch: expect.any(String),
      pass: 1,
      records: expect.any(Number),
      at: iso,
      success: true,
      error: null,
    });
    expect(Date.parse(found[0]!.at as string)).toBeGreaterThanOrEqual(Date.parse(found[1]!.at as string));
  });

  test("leaves out those that failed when only successes are wanted", async () => {
    const key = "{uee:cwe}:checkpoints";
    const entry = (ok: string, batch: string) =>
      [
        "urn",
        ok === "1" ? "v2e::mitre::cwe::CWE-1" : "",
        "run",
        "cwe-1",
        "batch",
        batch,
        "pass",
        "1",
        "records",
        "1",
        "at",
      ].concat([...["2026-01-01T00:00:00.000Z", "ok", ok], ...(ok === "1" ? [] : ["error", "PROV_BAD_XML"])]);
    const redis = dashboard.redis.client();
    await redis.xadd(key, "*", ...entry("1", "good"));
    await redis.xadd(key, "*", ...entry("0", "bad"));
    const batches = async (query: string) => {
      const { json } = await dashboard.get(`/api/providers/cwe/checkpoints${query}`);
      return (json.checkpoints as { batch: string }[]).map(({ batch }) => batch);
    };
    expect(await batches("")).toEqual(["bad", "good"]);
    expect(await batches("?success_only=true&limit=1")).toEqual(["good"]);
    expect(await batches("?success_only=false")).toEqual(["bad", "good"]);
    // The last one that was committed, whatever has failed since.
    const tree = (await dashboard.get("/api/etl-tree")).json.providers as Record<string, unknown>[];
    expect(tree[1]).toMatchObject({ id: "cwe", last_checkpoint: "v2e::mitre::cwe::CWE-1" });
    const overview = (await dashboard.get("/api/overview")).json.providers as Record<string, unknown>[];
    expect(overview[1]).toMatchObject({ provider: "cwe", lastCheckpoint: "v2e::mitre::cwe::CWE-1" });
  });
});

describe("what else there is to read", () => {
  test("the overview has everything that the tree shows", async () => {
    const { json } = await dashboard.get("/api/overview");
    const [cve] = json.providers as Record<string, unknown>[];
    expect(cve).toMatchObject({
      provider: "cve",
      machine: { state: "TERMINATED", reason: "complete", since: iso },
      actions: ["start", "pause"],
      verified: true,
      verifiedAt: iso,
      freshMs: expect.any(Number),
      watermark: listing.records.at(-1)!.lastModified,
      records: 4_500,
      openRun: null,
      progress: null,
      lastRun: { state: "complete", created: 4_500 },
      jobs: { waiting: 0, active: 0, delayed: 0, failed: 0 },
      permits: { held: 0, waiting: 0, askedBack: 0 },
    });
    expect(json).toMatchObject({ stranded: false, workers: 0, deadLetters: 0, permits: { configured: 7 } });
  });

  test("runs, newest first, of one provider or of all", async () => {
    const { json } = await dashboard.get("/api/runs?provider=cve");
    expect(json.runs).toEqual([
      expect.objectContaining({ provider: "cve", state: "complete", mode: "full", fetched: 4_500 }),
    ]);
    expect((await dashboard.get("/api/runs?provider=cwe")).json).toEqual({ runs: [] });
  });

  test("transitions with who and why", async () => {
    const { json } = await dashboard.get("/api/transitions?provider=cve");
    const moves = (json.transitions as { oldState: string; newState: string; actor: string }[]).reverse();
    expect(moves.map(({ oldState, newState }) => `${oldState} ${newState}`)).toEqual([
      "IDLE ACQUIRING",
      "ACQUIRING RUNNING",
      "RUNNING TERMINATED",
    ]);
    expect(moves[0]!.actor).toBe("library");
  });

  test("a record by id and by URN, one that is not there, and one that was removed", async () => {
    const { id } = listing.records[0]!;
    const byId = await dashboard.get(`/api/records/${id}`);
    expect(byId.status).toBe(200);
    expect(byId.json).toEqual({
      urn: `v2e::nvd::cve::${id}`,
      provider: "cve",
      id,
      firstSeen: iso,
      lastChanged: iso,
      data: listing.records[0],
    });
    const byUrn = await dashboard.get(`/api/records/${encodeURIComponent(`v2e::nvd::cve::${id}`)}`);
    expect(byUrn.json).toEqual(byId.json);
    expect((await dashboard.get(`/api/records/v2e::nvd::cve::${id}`)).json).toEqual(byId.json);
    const absent = await dashboard.get("/api/records/CVE-1999-99999");
    expect([absent.status, absent.json.code]).toEqual([404, "STOR_NOT_FOUND"]);

    const [gone] = listing.records.splice(10, 1);
    await dashboard.test.run("cve", "full");
    const removed = await dashboard.get(`/api/records/${gone!.id}`);
    expect(removed.status).toBe(410);
    expect(removed.json).toMatchObject({
      code: "STOR_REMOVED",
      removed: {
        urn: `v2e::nvd::cve::${gone!.id}`,
        id: gone!.id,
        removedAt: iso,
        reason: expect.any(String),
      },
    });
  });

  test("the change feed page by page, without a gap", async () => {
    const seen: string[] = [];
    let since = "";
    for (;;) {
      const { json } = await dashboard.get(`/api/changes?limit=1000${since}`);
      const changes = json.changes as { id: string; op: string }[];
      if (changes.length === 0) break;
      seen.push(...changes.filter(({ op }) => op === "created").map(({ id }) => id));
      since = `&since=${encodeURIComponent(json.cursor as string)}`;
    }
    expect(new Set(seen).size).toBe(4_500);
    expect(seen).toHaveLength(4_500);
    const wrong = await dashboard.get("/api/changes?since=nonsense");
    expect([wrong.status, wrong.json.code]).toEqual([400, "STOR_CURSOR_INVALID"]);
  });
});
