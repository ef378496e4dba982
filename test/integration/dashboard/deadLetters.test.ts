/** Dead letters over HTTP: found, looked at byte by byte, replayed, accepted, purged, each with who and why. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { providers } from "../../../src/providers/registry.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import { readMetrics, sampleOf } from "../../support/promText.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
let listing: ListingServer;

/** Records that the provider cannot read. */
const bad = [3, 5, 8, 13];
const spoil = (i: number) => {
  listing.records[i] = { ...listing.records[i]!, references: `<script>alert(${i})</script>` };
};
beforeAll(async () => {
  listing = await startListing(makeRecords(40));
  dashboard = await startDashboard({
    limits: { pollMs: 0 },
    engine: { providers: { cve: { url: listing.url, rate: "unlimited" } }, errorRate: 1 },
  });
  bad.forEach(spoil);
  await dashboard.test.run("cve");
});
afterAll(async () => {
  await dashboard.close();
  await listing.close();
});

interface Letter {
  id: string;
  subject: string;
  state: string;
}
const list = async (query = "") => {
  const { status, json } = await dashboard.get(`/api/dead-letters${query}`);
  expect(status).toBe(200);
  return json as unknown as { letters: Letter[]; cursor: string | null };
};
const act = (what: string, body: unknown) =>
  dashboard.send("POST", `/api/dead-letters/${what}`, body, { "x-actor": "ann" });
const idOf = (i: number) => listing.records[i]!.id;

describe("dead letters", () => {
  test("are listed page by page, and found by filters", async () => {
    const first = await list("?limit=3");
    expect(first.letters).toHaveLength(3);
    const second = await list(`?limit=3&cursor=${encodeURIComponent(first.cursor!)}`);
    expect(second.cursor).toBeNull();
    const subjects = [...first.letters, ...second.letters].map(({ subject }) => subject);
    expect(subjects.sort()).toEqual(bad.map(idOf).sort());
    expect((await list("?provider=cwe")).letters).toEqual([]);
    expect((await list("?class=bad-record&code=VAL_RECORD_FIELD&state=dead")).letters).toHaveLength(4);
    expect((await list("?class=exhausted")).letters).toEqual([]);
    expect((await list("?olderThanMs=3600000")).letters).toEqual([]);
  });

  test("are counted by class, code and nearness to the cap, also in overview and metrics", async () => {
    const { json } = await dashboard.get("/api/dead-letters/stats");
    const others = providers.slice(1).map(() => ({}));
    expect(json).toMatchObject({
      total: 4,
      byState: { dead: 4, replaying: 0, accepted: 0 },
      byClass: { "bad-record": 4 },
      byCode: { VAL_RECORD_FIELD: 4 },
      byProvider: { cve: 4 },
      caps: [{ provider: "cve", entries: 4, level: "ok" }, ...others],
    });
    expect((await dashboard.get("/api/overview")).json).toMatchObject({
      deadLetters: 4,
      providers: [{ deadLetters: { entries: 4, level: "ok" } }, ...others],
    });
    const metrics = readMetrics((await dashboard.get("/metrics")).text);
    expect(sampleOf(metrics, "uee_dead_letters", { provider: "cve", class: "bad-record" })).toBe(4);
    expect(sampleOf(metrics, "uee_dead_letters", { provider: "cve", class: "exhausted" })).toBe(0);
    expect(sampleOf(metrics, "uee_dead_letter_codes", { provider: "cve", code: "VAL_RECORD_FIELD" })).toBe(4);
    expect(sampleOf(metrics, "uee_dead_letter_cap_ratio", { provider: "cve" })).toBeCloseTo(4 / 10_000, 5);
  });

  test("are shown one by one, with the bytes as they came, which no browser takes for a page", async () => {
    const [letter] = (await list()).letters;
    const shown = await dashboard.get(`/api/dead-letters/${letter!.id}`);
    expect(shown.json).toMatchObject({ id: letter!.id, class: "bad-record", code: "VAL_RECORD_FIELD" });
    const raw = await dashboard.get(`/api/dead-letters/${letter!.id}/raw`);
    expect(raw.status).toBe(200);
    expect(JSON.parse(raw.text)).toMatchObject({
      id: letter!.subject,
      references: expect.stringMatching(/^<script>/),
    });
    expect(raw.headers).toMatchObject({
      "content-type": "application/octet-stream",
      "content-disposition": "attachment",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    for (const path of ["/api/dead-letters/r-none", "/api/dead-letters/r-none/raw"]) {
      const absent = await dashboard.get(path);
      expect([absent.status, absent.json.code]).toEqual([404, "API_NOT_FOUND"]);
    }
  });

  test("are not touched by a dry run, whatever is asked", async () => {
    for (const what of ["replay", "accept", "purge"]) {
      const answer = await act(what, { filter: {}, dryRun: true });
      expect([answer.status, answer.json]).toEqual([
        202,
        expect.objectContaining({ dryRun: true, matched: 4, done: 4, skipped: {} }),
      ]);
    }
    expect((await list("?state=dead")).letters).toHaveLength(4);
  });

  test("are replayed once however often it is asked for, with who and why", async () => {
    const { id } = (await list()).letters.find(({ subject }) => subject === idOf(bad[0]!))!;
    const replayed = await act("replay", { ids: [id], reason: "NVD mended it" });
    expect(replayed.status).toBe(202);
    expect(replayed.json).toMatchObject({ matched: 1, done: 1, runs: [{ provider: "cve", letters: 1 }] });
    const again = await act("replay", { ids: [id] });
    expect(again.json).toMatchObject({ done: 0, skipped: { replaying: 1 } });
    const [{ runId }] = replayed.json.runs as [{ runId: string }];
    const worker = await dashboard.test.engine.startWorker();
    await dashboard.test.engine.waitForRun("cve", runId, { pollMs: 20 });
    await worker.stop();
    // The bytes that were kept are no better than before.
    expect((await dashboard.get(`/api/dead-letters/${id}`)).json).toMatchObject({
      state: "dead",
      replays: 1,
      lastAction: { what: "replay", actor: "ann", reason: "NVD mended it" },
    });
  });

  test("are accepted or purged, one or many, with who and why", async () => {
    const [one, ...others] = (await list()).letters;
    expect(others).toHaveLength(3);
    expect((await act("accept", { ids: [one!.id], reason: "harmless" })).json).toMatchObject({ done: 1 });
    expect((await dashboard.get(`/api/dead-letters/${one!.id}`)).json).toMatchObject({
      state: "accepted",
      lastAction: { what: "accept", actor: "ann", reason: "harmless" },
    });
    const purged = await act("purge", { filter: { state: "dead" }, limit: 1, reason: "enough" });
    expect(purged.json).toMatchObject({ matched: 1, done: 1, lost: { records: 1 } });
    expect((await list("?state=dead")).letters).toHaveLength(2);
    expect((await list("?state=accepted")).letters).toHaveLength(1);
  });

  const empty: [string, unknown][] = [
    ["nothing", {}],
    ["both ids and a filter", { ids: ["r-1"], filter: {} }],
    ["no ids", { ids: [] }],
    ["a filter of an unknown kind", { filter: { colour: "red" } }],
    ["a class that is none", { filter: { class: "lost" } }],
    ["a code that is none", { filter: { code: "drop table" } }],
    ["too many", { filter: {}, limit: 10_001 }],
    ["a dry run in words", { filter: {}, dryRun: "yes" }],
  ];
  test.each(empty)("are not touched by a request that names %s", async (_name, body) => {
    for (const what of ["replay", "accept", "purge"]) {
      const answer = await act(what, body);
      expect([answer.status, answer.json.code]).toEqual([400, "API_BAD_INPUT"]);
    }
    expect((await list()).letters).toHaveLength(3);
  });
});
