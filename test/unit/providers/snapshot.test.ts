import { describe, expect, test } from "@jest/globals";
import { editionOf } from "../../../src/core/edition.ts";
import { KeptRecord, SourceText } from "../../../src/core/sourceText.ts";
import type { VerifyInput } from "../../../src/providers/contract.ts";
import { planSnapshot, snapshotPayload, verifySnapshot } from "../../../src/providers/snapshot/batches.ts";
import { conditionalHeaders, validators } from "../../../src/providers/snapshot/provider.ts";
import { SliceStager } from "../../../src/providers/snapshot/stager.ts";
import { FETCHED_AT, fakeUpstream } from "./support.ts";

const makeStager = (pass = 1) => {
  const upstream = fakeUpstream({ "http://upstream/": { body: "" } });
  const stager = new SliceStager<number>({
    context: upstream.context,
    fetchedAt: FETCHED_AT,
    pass,
    supersedes: (candidate, current) => candidate > current,
  });
  const add = (text: string, id: string | undefined, version: number) =>
    stager.add(SourceText.of(text), id, version);
  return { stager, add, staged: upstream.staged };
};

const textOf = (record: SourceText | KeptRecord): string =>
  record instanceof KeptRecord ? record.id : record.text;

const input = (change: Partial<VerifyInput>): VerifyInput => ({
  mode: "full",
  startedAt: "2026-01-02T00:00:00.000Z",
  watermark: null,
  pass: 1,
  facts: [
    { key: "stage", facts: { group: "snapshot", total: 3, edition: { date: "2025-09-09" } } },
    { key: "slice/0001", facts: { group: "snapshot", total: 3 } },
  ],
  unique: 3,
  regressed: 0,
  doubles: { count: 0, repeated: 0, ids: [] },
  newest: null,
  now: "2026-01-02T00:01:00.000Z",
  ...change,
});

describe("Staged slices", () => {
  test("hold at most 400 records or about 512 KB, in source order", async () => {
    const { stager, add, staged } = makeStager();
    for (let i = 0; i < 900; i++) await add(`{"i":${i}}`, `id-${i}`, 0);
    const large = JSON.stringify("x".repeat(300_000));
    for (let i = 0; i < 3; i++) await add(large, `large-${i}`, 0);
    const more = await stager.finish();
    expect(more.map(({ key, size }) => [key, size])).toEqual([
      ["slice/0001", 400],
      ["slice/0002", 400],
      ["slice/0003", 102],
      ["slice/0004", 1],
    ]);
    const texts = more.flatMap(
      ({ payload }) => staged.get("name" in payload ? payload.name : "")?.records.map(textOf) ?? [],
    );
    expect(texts.length).toBe(903);
    expect(texts.slice(0, 900)).toEqual(Array.from({ length: 900 }, (_, i) => `{"i":${i}}`));
    expect([...staged.values()].every(({ fetchedAt }) => fetchedAt === FETCHED_AT)).toBe(true);
  });

  test("keep the newest copy of each id, also when the older one is already laid down", async () => {
    const { stager, add, staged } = makeStager();
    await add(`"a1"`, "a", 1);
    for (let i = 0; i < 450; i++) await add(`"f${i}"`, `f${i}`, 0);
    await add(`"a3"`, "a", 3);
    await add(`"a2"`, "a", 2);
    await add(`"a3 again"`, "a", 3);
    await add(`"nameless"`, undefined, 0);
    await add(`"nameless"`, undefined, 0);
    const more = await stager.finish();
    const kept = more.flatMap(({ payload }) => {
      if (payload.kind !== "slice") return [];
      expect(payload.total).toBe(453);
      return staged
        .get(payload.name)!
        .records.map(textOf)
        .filter((_, place) => !payload.skip.includes(place));
    });
    expect(kept.length).toBe(453);
    expect(kept.filter((text) => text.startsWith(`"a`))).toEqual([`"a3"`]);
    expect(more.reduce((sum, { size }) => sum + size, 0)).toBe(453);
  });

  test("are named by their content, so that another attempt's slice never takes their place", async () => {
    const names = [];
    for (const text of ["1", "1", "2"]) {
      const { stager, add, staged } = makeStager();
      await add(text, "a", 0);
      await stager.finish();
      names.push([...staged.keys()][0]);
    }
    expect(names[0]).toBe(names[1]);
    expect(names[0]).not.toBe(names[2]);
  });

  test("of nothing are a lie", async () => {
    await expect(makeStager().stager.finish()).rejects.toThrow("PROV_EMPTY_LIE");
  });

  test("of a later pass have keys of their own, and payloads far below 16 KB", async () => {
    const { stager, add } = makeStager(2);
    for (let i = 0; i < 399; i++) await add("0", `id-${i}`, 0);
    await add("0", undefined, 0);
    for (let i = 0; i < 399; i++) await add("1", `id-${i}`, 1);
    const more = await stager.finish();
    expect(more.map(({ key }) => key)).toEqual(["pass2/slice/0001", "pass2/slice/0002"]);
    expect(planSnapshot(2)[0]?.key).toBe("pass2/stage");
    for (const { payload } of more) {
      expect(JSON.stringify(snapshotPayload.parse(payload)).length).toBeLessThan(4_000);
    }
  });
});

describe("A snapshot run", () => {
  test("is verified when every record was received, complete up to the catalogue's own date", () => {
    expect(verifySnapshot(input({}))).toEqual({
      kind: "verified",
      watermark: "2025-09-09T00:00:00.000Z",
    });
  });

  test("of an undated catalogue is complete up to its file's time, its newest record, or the run's start", () => {
    const lastModified = "Thu, 03 Apr 2025 10:00:00 GMT";
    const filed = [{ key: "stage", facts: { group: "snapshot", total: 3, edition: { lastModified } } }];
    expect(verifySnapshot(input({ facts: filed, newest: "2025-05-06T14:00:00.188Z" }))).toMatchObject({
      watermark: "2025-04-03T10:00:00.000Z",
    });
    const facts = [{ key: "stage", facts: { group: "snapshot", total: 3 } }];
    expect(verifySnapshot(input({ facts, newest: "2025-05-06T14:00:00.188Z" }))).toMatchObject({
      watermark: "2025-05-06T14:00:00.188Z",
    });
    expect(verifySnapshot(input({ facts }))).toMatchObject({ watermark: "2026-01-02T00:00:00.000Z" });
  });

  test("is never complete beyond its own start, whatever date the catalogue has", () => {
    const facts = [{ key: "stage", facts: { group: "snapshot", total: 3, edition: { date: "2099-01-01" } } }];
    expect(verifySnapshot(input({ facts }))).toMatchObject({ watermark: "2026-01-02T00:00:00.000Z" });
  });

  test.each([
    ["records are missing", { unique: 2 }],
    ["there are too many records", { unique: 4 }],
    ["nothing is known of the total", { facts: [], unique: 0 }],
    [
      "the batches tell different totals",
      { facts: [3, 4].map((total) => ({ key: `${total}`, facts: { group: "snapshot", total } })) },
    ],
  ])("is staged again when %s", (_, change) => {
    expect(verifySnapshot(input({ ...change, pass: 3 }))).toMatchObject({
      kind: "again",
      batches: [{ key: "pass4/stage", payload: { kind: "stage", pass: 4 } }],
    });
  });
});

describe("A conditional request", () => {
  const changeKey = { sha256: "0", etag: '"1"' };

  test("is made in increments only, with the entity tag of the last answer", () => {
    expect(validators({ etag: '"1"', "last-modified": "Tue, 09 Sep 2025 00:00:00 GMT" })).toEqual({
      etag: '"1"',
    });
    expect(conditionalHeaders({ mode: "incremental", changeKey })).toEqual({ "if-none-match": '"1"' });
    expect(conditionalHeaders({ mode: "full", changeKey })).toEqual({});
    expect(conditionalHeaders({ mode: "incremental", changeKey: null })).toEqual({});
  });

  test("is never made by time: a server calls every older file unmodified since then", () => {
    const lastModified = "Tue, 09 Sep 2025 00:00:00 GMT";
    expect(conditionalHeaders({ mode: "incremental", changeKey: { sha256: "0", lastModified } })).toEqual({});
  });
});

test("An edition is named by texts of bounded length", () => {
  expect(editionOf({ version: "4.18", date: null, lastModified: "", digest: "x".repeat(200) })).toEqual({
    version: "4.18",
    digest: "x".repeat(100),
  });
});
