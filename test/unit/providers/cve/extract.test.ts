import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../../src/core/errors.ts";
import type { FetchedStream, FetchRequest } from "../../../../src/core/fetching.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { SourceText } from "../../../../src/core/sourceText.ts";
import type { ExtractContext } from "../../../../src/providers/contract.ts";
import { cve } from "../../../../src/providers/cve/cve.ts";
import { headBatch } from "../../../../src/providers/cve/payload.ts";
import { AdaptivePageSize } from "../../../../src/workers/pageSize.ts";
import { validateRecord } from "../../../../src/workers/validate.ts";
import { pieces, valueOfRaw } from "../support.ts";

interface Answer {
  total: number;
  ids: string[];
  timestamp?: string;
  startIndex?: number;
  /** Bytes that each record is made larger by. */
  padding?: number;
  /** Text of further members of some records, by their ids. */
  members?: Record<string, string>;
  /** Members of the envelope that are to be otherwise. */
  envelope?: Record<string, unknown>;
}

/** A context whose upstream is a function of the asked-for slice. */
function contextOf(
  answer: (start: number, size: number, url: URL) => Answer | Error,
  { lastAttempt = false } = {},
): {
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
      ...said.envelope,
    };
    let text = JSON.stringify(body);
    for (const [id, more] of Object.entries(said.members ?? {})) {
      text = text.replace(`"id":"${id}"`, `"id":"${id}",${more}`);
    }
    return {
      status: 200,
      headers: {},
      url: request.url,
      fetchedAt: asked.length,
      body: pieces(Buffer.from(text), 64 * 1024),
    };
  };
  const unused = () => Promise.reject(new Error("not part of this test"));
  const context: ExtractContext = {
    fetcher: { fetch: unused, stream },
    url: "http://upstream/cves",
    apiKey: undefined,
    mode: "full",
    changeKey: null,
    lastAttempt,
    signal: new AbortController().signal,
    logger: silentLogger(),
    pageSize: new AdaptivePageSize(2000).seenBy(silentLogger()),
    stage: unused,
    loadStaged: unused,
    loadFileList: unused,
    keepFileLists: unused,
    lookUp: async (texts) => texts.map(() => ({ entry: "", same: false, lastModified: undefined })),
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

describe("the records of a full page", () => {
  const [deep, number, nested] = ids(0, 3) as [string, string, string];
  const odd = {
    [deep]: `"a":${"[".repeat(300)}${"]".repeat(300)}`,
    [number]: '"b":1e400',
  };
  const verdicts = async (members: Record<string, string>, lastAttempt: boolean) => {
    const { context } = contextOf((start, size) => ({ total: 2000, ids: ids(start, size), members }), {
      lastAttempt,
    });
    const { records } = await cve.extract(full, context);
    return records.map((record) => {
      const made = validateRecord(cve, record);
      return made instanceof UeeError ? made.code : made.id;
    });
  };

  test("are within their bounds, whether they were measured or only parsed", async () => {
    const expected = ["VAL_RECORD_DEPTH", "VAL_RECORD_NUMBER", ...ids(2, 1998)];
    expect(await verdicts(odd, true)).toEqual(expected);
    expect(await verdicts(odd, false)).toEqual(expected);
  });

  test("that hold what looks like the beginning of another are read byte by byte", async () => {
    const looksLike = { [nested]: `"c":[{"x":{}},{"cve":{"id":"CVE-2026-9999"}}]` };
    expect(await verdicts(looksLike, false)).toEqual(ids(0, 2000));
  });

  test("that are not JSON fail the batch", async () => {
    for (const lastAttempt of [false, true]) {
      await expect(verdicts({ [deep]: '"d":01' }, lastAttempt)).rejects.toMatchObject({
        code: "PROV_BAD_JSON",
        message: expect.stringContaining("in element 1 of 'vulnerabilities'"),
      });
    }
  });
});

describe("a slice of NVD", () => {
  test("plans the rest of the listing from its head's total, in fixed slices", async () => {
    const { context } = contextOf((start, size) => ({
      total: 4500,
      ids: ids(start, Math.min(size, 4500 - start)),
    }));
    const { records, more, facts } = await cve.extract(full, context);
    expect(records).toHaveLength(2000);
    expect(facts).toEqual({
      group: "p1/all",
      total: 4500,
      fetchedAt: 1,
      timestamp: "2026-01-10T12:00:00.000",
    });
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

  /** A listing of which some places are counted and never served. */
  const withHoles = (total: number, holes: number[]) => (start: number, size: number) => ({
    total,
    ids: ids(start, Math.min(size, total - start)).filter((_, i) => !holes.includes(start + i)),
  });

  test.each([
    ["one", [1234], "offset 1234"],
    ["the first", [0], "offset 0"],
    ["the last", [1999], "offset 1999"],
    ["neighbours", [700, 701], "offsets 700–701"],
    ["two far apart", [3, 1900], "offset 3, offset 1900"],
  ])("that lacks %s of its records keeps the others and says where", async (_name, holes, at) => {
    const { context, asked } = contextOf(withHoles(2000, holes));
    const { records, facts } = await cve.extract(full, context);
    expect(records).toHaveLength(2000 - holes.length);
    expect(facts?.missing).toEqual({ count: holes.length, at });
    expect(asked.length).toBeLessThanOrEqual(32);
  });

  test("that lacks many of its records is asked for again, and in the last attempt kept as it is", async () => {
    const holes = ids(0, 300).map((_, i) => 5 * i);
    const first = contextOf(withHoles(2000, holes));
    expect(await codeOf(cve.extract(full, first.context))).toBe("PROV_SHORT_PAGE");
    expect(first.handed.flat()).toHaveLength(1700);
    const last = contextOf(withHoles(2000, holes), { lastAttempt: true });
    const { records, facts } = await cve.extract(full, last.context);
    expect(records).toHaveLength(1700);
    expect(facts?.missing?.count).toBe(300);
    expect(facts!.missing!.at.length).toBeLessThanOrEqual(200);
    expect(last.asked.length).toBeLessThanOrEqual(40);
  });

  test("whose page was short once is whole, each record once", async () => {
    let calls = 0;
    const { context, asked } = contextOf((start, size) => ({
      total: 2000,
      ids: ids(start, calls++ === 0 ? size - 700 : size),
    }));
    const { records, facts } = await cve.extract(full, context);
    const received = (records as SourceText[]).map((record) => (record.known as { id: string }).id);
    expect(received).toEqual(ids(0, 2000));
    expect([facts?.missing, asked.length]).toEqual([undefined, 2]);
  });

  test("of an upstream that silently serves half a page is whole, and the next slice asks for less", async () => {
    const { context, asked } = contextOf((start, size) => ({
      total: 4000,
      ids: ids(start, Math.min(size, 1000)),
    }));
    const { records, facts } = await cve.extract(full, context);
    expect([records.length, facts?.missing]).toEqual([2000, undefined]);
    const before = asked.length;
    const next = { ...full, start: 2000, total: 4000 };
    expect((await cve.extract(next, context)).records).toHaveLength(2000);
    expect(asked.length - before).toBe(2);
  });

  test("hands over what came before it failed", async () => {
    const { context, handed } = contextOf((start, size) =>
      start >= 1000 ? new UeeError("PROV_TRUNCATED") : { total: 2000, ids: ids(start, size) },
    );
    context.pageSize.shrink("PROV_TIMEOUT", 500);
    expect(await codeOf(cve.extract(full, context))).toBe("PROV_TRUNCATED");
    expect(handed.flat()).toEqual(ids(0, 1000));
  });

  test.each([
    ["null", null],
    ["absent", undefined],
    ["a number", 5],
    ["no time", "soon"],
    ["a very long text", `2026-01-10T12:00:00.${"0".repeat(1_000)}`],
  ])("is read when its envelope's timestamp is %s", async (_name, timestamp) => {
    const { context } = contextOf(() => ({ total: 1, ids: ids(0, 1), envelope: { timestamp } }));
    const { facts } = await cve.extract(full, context);
    expect(facts?.timestamp).toBeUndefined();
  });

  test.each([
    ["startIndex is null", { startIndex: null }],
    ["startIndex is absent", { startIndex: undefined }],
    ["resultsPerPage is wrong", { resultsPerPage: 1e15 }],
    ["format and version are null", { format: null, version: null }],
    ["there is an unknown field", { next: { page: [] } }],
  ])("is read when %s in its envelope", async (_name, envelope) => {
    const { context } = contextOf(() => ({ total: 1, ids: ids(0, 1), envelope }));
    expect((await cve.extract(full, context)).records).toHaveLength(1);
  });

  test("plans nothing from a total that cannot be", async () => {
    for (const total of [10_000_001, 1e11, 1e300, -1, 2.5, "5", null]) {
      const { context } = contextOf((start, size) => ({
        total: 1,
        ids: ids(start, size),
        envelope: { totalResults: total },
      }));
      expect(await codeOf(cve.extract(full, context))).toBe("PROV_WRONG_SHAPE");
    }
    const { context } = contextOf((start, size) => ({ total: 10_000_000, ids: ids(start, size) }));
    expect((await cve.extract(full, context)).more).toHaveLength(4999);
  });

  test.each([
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
    expect(facts).toMatchObject({ total: 2001, moved: { first: 2000, fell: false } });
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
    expect(more?.map(({ payload }) => payload)).toEqual([
      expect.objectContaining({
        listing: "p1/w1",
        window: expect.objectContaining({ start: "2026-01-28T00:00:00.001Z" }),
      }),
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
