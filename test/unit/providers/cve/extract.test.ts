import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../../src/core/errors.ts";
import type { FetchedStream, FetchRequest } from "../../../../src/core/fetching.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { ExtractContext } from "../../../../src/providers/contract.ts";
import { cve } from "../../../../src/providers/cve/cve.ts";
import { headBatch } from "../../../../src/providers/cve/payload.ts";
import { AdaptivePageSize } from "../../../../src/workers/pageSize.ts";
import { pieces, valueOfRaw } from "../support.ts";

interface Answer {
  total: number;
  ids: string[];
  timestamp?: string;
  startIndex?: number;
  /** Bytes that each record is made larger by. */
  padding?: number;
}

/** A context whose upstream is a function of the asked-for slice. */
function contextOf(answer: (start: number, size: number, url: URL) => Answer | Error): {
  context: ExtractContext;
  asked: { start: number; size: number }[];
  /** Ids given away before the slice was whole, call by call. */
  handed: string[][];
} {
  const asked: { start: number; size: number }[] = [];
  const handed: string[][] = [];
  const stream = async (request: FetchRequest): Promise<FetchedStream> => {
    const url = new URL(request.url);
    const start = Number(url.searchParams.get("startIndex"));
    const size = Number(url.searchParams.get("resultsPerPage"));
    asked.push({ start, size });
    const said = answer(start, size, url);
    if (said instanceof Error) throw said;
    const body = {
      resultsPerPage: said.ids.length,
      startIndex: said.startIndex ?? start,
      totalResults: said.total,
      timestamp: said.timestamp ?? "2026-01-10T12:00:00.000",
      vulnerabilities: said.ids.map((id) => ({
        cve: { id, ...(said.padding === undefined ? {} : { padding: "x".repeat(said.padding) }) },
      })),
    };
    return {
      status: 200,
      headers: {},
      url: request.url,
      fetchedAt: asked.length,
      body: pieces(Buffer.from(JSON.stringify(body)), 64 * 1024),
    };
  };
  const unused = () => Promise.reject(new Error("not part of this test"));
  const context: ExtractContext = {
    fetcher: { fetch: unused, stream },
    url: "http://upstream/cves",
    apiKey: undefined,
    mode: "full",
    changeKey: null,
    signal: new AbortController().signal,
    logger: silentLogger(),
    pageSize: new AdaptivePageSize(2000).seenBy(silentLogger()),
    stage: unused,
    loadStaged: unused,
    noteWrong: unused,
    handOver: async (records) =>
      void handed.push((records.map(valueOfRaw) as { id: string }[]).map(({ id }) => id)),
  };
  return { context, asked, handed };
}

const ids = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `CVE-2026-${1000 + from + i}`);
const full = headBatch({ listing: "p1/all", window: null, mustHaveRecords: true, laterUntil: null }).payload;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: UeeError) => error.code,
  );

describe("a slice of NVD", () => {
  test("plans the rest of the listing from its head's total, in fixed slices", async () => {
    const { context } = contextOf((start, size) => ({
      total: 4500,
      ids: ids(start, Math.min(size, 4500 - start)),
    }));
    const { records, more, facts } = await cve.extract(full, context);
    expect(records).toHaveLength(2000);
    expect(facts).toEqual({ group: "p1/all", total: 4500, timestamp: "2026-01-10T12:00:00.000" });
    expect(more?.map(({ key, size }) => [key, size])).toEqual([
      ["p1/all/0002000", 2000],
      ["p1/all/0004000", 500],
    ]);
  });

  test("is asked for in smaller pages when the upstream caps them, under the same plan", async () => {
    const { context, asked } = contextOf((start, size) =>
      size > 500
        ? new UeeError("PROV_PAGE_CAP", "resultsPerPage parameter cannot exceed 500.", { data: { cap: 500 } })
        : { total: 2100, ids: ids(start, Math.min(size, 2100 - start)) },
    );
    const { records, more } = await cve.extract(full, context);
    expect(asked.map(({ size }) => size)).toEqual([2000, 500, 500, 500, 500]);
    expect(records).toHaveLength(2000);
    expect(more?.map(({ key }) => key)).toEqual(["p1/all/0002000"]);
  });

  test("of records so large that it takes several pages is given away page by page, each record once", async () => {
    const { context, handed } = contextOf((start, size) =>
      size > 500
        ? new UeeError("PROV_PAGE_TOO_LARGE")
        : { total: 1800, ids: ids(start, Math.min(size, 1800 - start)), padding: 17_000 },
    );
    const { records, facts } = await cve.extract(full, context);
    expect(handed.map((given) => given.length)).toEqual([500, 500, 500]);
    expect(records).toHaveLength(300);
    expect([...handed.flat(), ...(records.map(valueOfRaw) as { id: string }[]).map(({ id }) => id)]).toEqual(
      ids(0, 1800),
    );
    expect(facts).toMatchObject({ total: 1800 });
  });

  test("shrinks its pages after a 524 and grows them back", async () => {
    let failing = true;
    const { context, asked } = contextOf((start, size) =>
      failing && size > 1000
        ? new UeeError("PROV_OVERLOADED", "524", { data: { status: 524 } })
        : { total: 2000, ids: ids(start, size) },
    );
    expect(await codeOf(cve.extract(full, context))).toBe("PROV_OVERLOADED");
    failing = false;
    for (let i = 0; i < 3; i++) await cve.extract(full, context);
    expect(asked[1]?.size).toBe(1000);
    expect(asked.at(-1)?.size).toBe(2000);
  });

  test("never takes nothing for an answer where records must be", async () => {
    const { context } = contextOf(() => ({ total: 0, ids: [] }));
    expect(await codeOf(cve.extract(full, context))).toBe("PROV_EMPTY_LIE");
  });

  test("of a window that may be empty is empty only when the upstream says so twice", async () => {
    let calls = 0;
    const lying = contextOf(() => (calls++ === 0 ? { total: 0, ids: [] } : { total: 3, ids: ids(0, 3) }));
    const window = { ...full, mustHaveRecords: false, window: { start: "2026-01-01", end: "2026-01-02" } };
    expect(await codeOf(cve.extract(window, lying.context))).toBe("PROV_EMPTY_LIE");
    const honest = contextOf(() => ({ total: 0, ids: [] }));
    expect((await cve.extract(window, honest.context)).records).toEqual([]);
    expect(honest.asked).toHaveLength(2);
  });

  test.each([
    ["a short page", { total: 2000, ids: ids(0, 1999) }, "PROV_SHORT_PAGE"],
    ["an empty page of a full listing", { total: 2000, ids: [] }, "PROV_EMPTY_LIE"],
    ["another page than asked for", { total: 2000, ids: ids(0, 2000), startIndex: 2000 }, "PROV_WRONG_SHAPE"],
  ])("refuses %s", async (_name, answer, code) => {
    const { context } = contextOf(() => answer);
    expect(await codeOf(cve.extract(full, context))).toBe(code);
  });

  test("says when the total moved while it was read", async () => {
    const { context } = contextOf((start) => ({ total: start === 0 ? 2000 : 2001, ids: ids(start, 1000) }));
    context.pageSize.shrink("PROV_TIMEOUT", 1000);
    const { facts } = await cve.extract(full, context);
    expect(facts).toMatchObject({ total: 2001, moved: true });
  });

  test("plans later windows of an increment, none in the upstream's future", async () => {
    const { context } = contextOf(() => ({ total: 1, ids: ids(0, 1), timestamp: "2026-03-01T00:00:00.000" }));
    const head = headBatch({
      listing: "p1/w0",
      window: { start: "2025-10-01T00:00:00.000Z", end: "2026-01-28T00:00:00.000Z" },
      mustHaveRecords: true,
      laterUntil: "2027-01-01T00:00:00.000Z",
    });
    const { more } = await cve.extract(head.payload, context);
    expect(more?.map(({ payload }) => [payload.listing, payload.window?.start])).toEqual([
      ["p1/w1", "2026-01-28T00:00:00.001Z"],
    ]);
  });
});

describe("a record of NVD", () => {
  test.each([
    ["a string", "CVE-2026-1000", "VAL_RECORD_SHAPE"],
    ["null", null, "VAL_RECORD_SHAPE"],
    ["a record without id", { descriptions: [] }, "VAL_RECORD_ID"],
    ["a record with another id", { id: "CWE-79" }, "VAL_RECORD_ID"],
    ["references that are no list", { id: "CVE-2026-1000", references: {} }, "VAL_RECORD_FIELD"],
    ["metrics that are a list", { id: "CVE-2026-1000", metrics: [] }, "VAL_RECORD_FIELD"],
  ])("that is %s is bad", (_name, raw, code) => {
    expect(() => cve.transform(raw)).toThrow(expect.objectContaining({ code }));
  });

  test("passes with nulls, without optional fields and with unknown ones, its content untouched", () => {
    const raw = JSON.parse(
      '{"id":"CVE-2026-1000","metrics":null,"vulnStatus":null,"__proto__":{"x":1},"new":[1]}',
    );
    expect(cve.transform(raw).data).toBe(raw);
  });
});
