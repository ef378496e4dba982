/** What the pages read beside the fleet's state: the story of a run, the search, the newest changes, groups of dead letters. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { environmentOf } from "../../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { until } from "../../support/until.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

let dashboard: TestDashboard;
let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ cves: 300, extremes: false });
  const env = environmentOf(simulator);
  dashboard = await startDashboard({
    engine: {
      providers: {
        cve: { url: env.UEE_CVE_URL!, rate: "unlimited" },
        cwe: { url: env.UEE_CWE_URL! },
        capec: { url: env.UEE_CAPEC_URL! },
      },
    },
  });
  await dashboard.test.run("cve");
  await dashboard.test.run("cwe");
});
afterAll(async () => {
  await dashboard.close();
  await simulator.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of many routes
const read = async (path: string): Promise<any> => {
  const { status, json } = await dashboard.get(path);
  expect([path, status]).toEqual([path, 200]);
  return json;
};

test("a run is told with its batches and transitions, and with the run before it", async () => {
  const [{ runId: first }] = (await read("/api/runs?provider=cve")).runs;
  await dashboard.test.run("cve");
  const [{ runId }] = (await read("/api/runs?provider=cve")).runs;
  const { run, previous, steps, truncated } = await read(`/api/runs/${runId}`);
  expect([run.runId, previous.runId, truncated]).toEqual([runId, first, false]);
  const kinds = new Set(steps.map(({ kind }: { kind: string }) => kind));
  expect([...kinds].sort()).toEqual(["batch", "transition"]);
  expect(steps.some(({ text }: { text: string }) => text === "TERMINATED")).toBe(true);
  const story = await read(`/api/runs/${first}`);
  expect(story.previous).toBeNull();
  expect(story.steps.some(({ text }: { text: string }) => text === steps.at(-1).text)).toBe(true);
  const missing = await dashboard.get("/api/runs/cve-20200101T000000000Z-000000");
  expect([missing.status, missing.json.code]).toEqual([404, "PROV_RUN_NOT_FOUND"]);
});

test("a search finds ids at once and names when they are read, and follows changes", async () => {
  const [weakness] = (await read("/api/changes/recent?provider=cwe&limit=1")).changes;
  const record = await read(`/api/records/${weakness.urn}`);
  const name: string = record.data.Name;
  const ids = await read(`/api/search?q=${weakness.id.toLowerCase()}`);
  expect(ids.results[0]).toMatchObject({ urn: weakness.urn, id: weakness.id, name });
  const search = async () => await read(`/api/search?q=${encodeURIComponent(name)}`);
  await until(async () => (await search()).complete);
  expect((await search()).results[0]).toMatchObject({ urn: weakness.urn, name });
  const none = await read("/api/search?q=zyxwvut");
  expect(none).toEqual({ results: [], complete: true });

  // What comes later is found as well, without reading all again; a search does not wait for a long list of changes.
  await dashboard.test.run("capec");
  const { changes } = await read("/api/changes/recent?provider=capec&limit=100");
  expect(changes.length).toBeGreaterThan(50);
  const [pattern] = changes;
  const later = await read(`/api/records/${pattern.urn}`);
  const searchLater = async () => await read(`/api/search?q=${encodeURIComponent(later.data.Name)}`);
  expect((await searchLater()).complete).toBe(false);
  await until(async () => (await searchLater()).complete);
  const found = await searchLater();
  expect(found.results.map(({ urn }: { urn: string }) => urn)).toContain(pattern.urn);
});

test("the newest changes come first, of one kind or one record, and are counted by day", async () => {
  const { changes, complete } = await read("/api/changes/recent?provider=cve&limit=500");
  expect([changes.length, complete]).toEqual([300, true]);
  const times = changes.map(({ at }: { at: string }) => at);
  expect(times).toEqual([...times].sort().reverse());
  expect((await read("/api/changes/recent?provider=cve&op=removed")).changes).toEqual([]);
  const one = await read(`/api/changes/recent?provider=cve&id=${changes[7].id}`);
  expect(one.changes.map(({ id, op }: { id: string; op: string }) => [id, op])).toEqual([
    [changes[7].id, "created"],
  ]);
  const { days } = await read("/api/changes/days?provider=cve");
  expect(days.reduce((sum: number, { created }: { created: number }) => sum + created, 0)).toBe(300);
});

test("dead letters stand in groups with the field that was wrong, and are found by text", async () => {
  expect(await read("/api/dead-letters/groups")).toEqual({ groups: [] });
  simulator.setFaults(["bad-record@0.1:cve"]);
  await dashboard.test.run("cve", "full");
  const { groups } = await read("/api/dead-letters/groups");
  const { letters } = await read("/api/dead-letters");
  for (const { provider, code, count, kinds } of groups) {
    const own = letters.filter((letter: { code: string }) => letter.code === code);
    expect([provider, kinds, count]).toEqual(["cve", ["record"], own.length]);
  }
  expect(groups.length).toBeGreaterThan(0);
  const fields = groups.flatMap((group: { fields: { field: string }[] }) => group.fields);
  expect(fields.map(({ field }: { field: string }) => field)).toContain("references");
  const [{ subject, id, runId }] = letters;
  for (const text of [subject.toLowerCase(), runId]) {
    const found = await read(`/api/dead-letters?text=${text}`);
    expect(found.letters.map((letter: { id: string }) => letter.id)).toContain(id);
  }
  expect((await read("/api/dead-letters?text=zyxwvut")).letters).toEqual([]);
  const paged: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await read(`/api/dead-letters?text=${runId}&limit=5${cursor}`);
    expect(page.letters.length).toBeLessThanOrEqual(5);
    paged.push(...page.letters.map((letter: { id: string }) => letter.id));
    if (page.cursor === null) break;
    cursor = `&cursor=${page.cursor}`;
  }
  expect(paged).toEqual(letters.map((letter: { id: string }) => letter.id));
});
