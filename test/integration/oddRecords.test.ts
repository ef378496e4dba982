/** One odd record costs one record: the others of its page, bundle or catalogue are stored and served. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { bounds } from "../../src/core/bounds.ts";
import { canonicalJson } from "../../src/core/json.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

jest.setTimeout(120_000);

let redis: TestRedis;
let uee: TestEngine | undefined;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  redis = await startRedis({});
});
afterEach(async () => {
  await uee?.close();
  uee = undefined;
  for (const close of closers.splice(0)) await close();
  await redis.client().flushall();
});
afterAll(() => redis.stop());

/** Serves each path's text. */
async function serve(answers: Record<string, string | Buffer>): Promise<string> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0]!;
    const body = answers[path];
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const brackets = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

/** Odd members, the code of the record that has them, and whether it is kept whole. */
const oddities: [string, () => string, string][] = [
  ["is nested 20,000 deep", () => `"x":${brackets(20_000)}`, "VAL_RECORD_DEPTH"],
  ["is nested 6,000 deep", () => `"x":${'{"a":'.repeat(6_000)}1${"}".repeat(6_000)}`, "VAL_RECORD_DEPTH"],
  ["is nested one level too deep", () => `"x":${brackets(bounds.record.depth)}`, "VAL_RECORD_DEPTH"],
  [
    "has 66,000 fields",
    () => Array.from({ length: 66_000 }, (_, i) => `"f${i}":"${"y".repeat(i % 2 ? 130 : 1)}"`).join(","),
    "VAL_RECORD_TOO_LARGE",
  ],
  ["has a name of 2,000 characters", () => `"${"n".repeat(2_000)}":1`, "VAL_RECORD_TOO_LARGE"],
  ["has 300,000 values", () => `"x":[${"0,".repeat(300_000)}0]`, "VAL_RECORD_TOO_LARGE"],
  ["has a number beyond all doubles", () => `"x":[1,{"y":1e400}]`, "VAL_RECORD_NUMBER"],
  ["has a number of 400 digits", () => `"x":-${"9".repeat(400)}`, "VAL_RECORD_NUMBER"],
];

/** What comes at the bounds, and must be stored exactly. */
const atTheBounds = `"deep":${brackets(bounds.record.depth - 1)},"big":123456789012345678901234567890,"tiny":1e-400,"minus":-0,"power":1e308,"u":"\\ud800\ufffd"`;

/** The run's end, all that is stored, its dead letters with their raw bytes; every reader has been at work. */
async function outcomeOf(provider: string, url: string) {
  uee = await openTestEngine(redis.url, { providers: { [provider]: { url, rate: "unlimited" } } });
  const { engine } = uee;
  const summary = await uee.run(provider, "full");
  const stored = await exported(engine, provider);
  for (const id of stored.keys()) {
    const found = await engine.records.get(id);
    expect(found && "record" in found ? canonicalJson(found.record.data) : "").toBe(
      canonicalJson(stored.get(id)),
    );
  }
  const { letters } = await engine.deadLetters.list({ provider }, { limit: 10 });
  const raws = await Promise.all(
    letters.map(async ({ id }) => (await engine.deadLetters.raw(id))?.toString()),
  );
  const told = letters.map(({ subject, code }) => ({ id: subject, code }));
  return { summary, stored, told, raws };
}

const page = (records: readonly string[]): string =>
  `{"resultsPerPage":${records.length},"startIndex":0,"totalResults":${records.length},"timestamp":"2026-01-10T12:00:00.000","vulnerabilities":[${records.map((record) => `{"cve":${record}}`).join(",")}]}`;
const cve = (n: number, more: string): string =>
  `{"id":"CVE-2026-${n}","lastModified":"2026-01-01T00:00:00.000"${more === "" ? "" : `,${more}`}}`;

describe("of a page of CVEs the record that", () => {
  test.each(oddities)("%s is set aside alone", async (_name, odd, code) => {
    const records = [cve(1001, atTheBounds), cve(1002, odd()), cve(1003, "")];
    const { summary, stored, told, raws } = await outcomeOf("cve", await serve({ "/": page(records) }));
    expect(summary).toMatchObject({ state: "incomplete", fetched: 3, created: 2, deadLettered: 1 });
    expect(canonicalJson([...stored.values()])).toBe(
      canonicalJson([records[0]!, records[2]!].map((text) => JSON.parse(text) as unknown)),
    );
    expect(told).toEqual([{ id: "CVE-2026-1002", code }]);
    expect(raws[0] === records[1]).toBe(true);
  });

  test("is larger than a record may be is set aside with its first bytes", async () => {
    const large = cve(1002, `"x":"${"x".repeat(bounds.record.bytes)}"`);
    const { summary, told, raws } = await outcomeOf(
      "cve",
      await serve({ "/": page([cve(1001, ""), large]) }),
    );
    expect(summary).toMatchObject({ state: "incomplete", created: 1, deadLettered: 1 });
    expect(told).toEqual([{ id: "CVE-2026-1002", code: "VAL_RECORD_TOO_LARGE" }]);
    expect(large.startsWith(raws[0]!)).toBe(true);
    expect(raws[0]!.length).toBeGreaterThan(bounds.record.keptBytes - 100);
  });
});

const stix = (n: number, more: string): string =>
  `{"type":"tool","id":"tool--${String(n).padStart(8, "0")}-0000-4000-8000-000000000000","modified":"2026-01-01T00:00:00.000Z"${more === "" ? "" : `,${more}`}}`;

describe("of an ATT&CK bundle the object that", () => {
  test.each([
    ...oddities,
    [
      "has 1,000 aliases",
      () =>
        `"external_references":[${Array.from({ length: 1_000 }, (_, i) => `{"source_name":"mitre-attack","external_id":"T${i}"}`).join(",")}]`,
      "VAL_RECORD_TOO_LARGE",
    ] as (typeof oddities)[number],
  ])("%s is set aside alone", async (_name, odd, code) => {
    const ids = [
      "1f5f1533-f617-4ca8-9ab4-6a02367fa019",
      "dac0d2d7-8653-445c-9bff-82f934c1e858",
      "90c00720-636b-4485-b342-8751d232bf09",
    ];
    const index = {
      collections: ids.map((id, i) => ({
        id: `x-mitre-collection--${id}`,
        versions: [{ version: "1", url: `${i}` }],
      })),
    };
    const bundle = (objects: string[]) =>
      `{"type":"bundle","foreign":${brackets(50_000)},"objects":[${objects.join(",")}]}`;
    const objects = [stix(1, atTheBounds), stix(2, odd()), stix(3, "")];
    const url = await serve({
      "/index.json": JSON.stringify(index),
      "/0": bundle(objects),
      "/1": bundle([stix(4, "")]),
      "/2": bundle([stix(5, "")]),
    });
    const { summary, stored, told, raws } = await outcomeOf("attack", `${url}/index.json`);
    expect(summary).toMatchObject({ state: "incomplete", fetched: 5, created: 4, deadLettered: 1 });
    expect(canonicalJson([...stored.values()].slice(0, 2))).toBe(
      canonicalJson([objects[0]!, objects[2]!].map((text) => JSON.parse(text) as unknown)),
    );
    expect(told).toEqual([{ id: (JSON.parse(stix(2, "")) as { id: string }).id, code }]);
    expect(raws[0] === objects[1]).toBe(true);
  });
});

describe("of an XML catalogue the entry that", () => {
  test.each<[string, string, string]>([
    ["is nested 20,000 deep", `${"<a>".repeat(20_000)}${"</a>".repeat(20_000)}`, "VAL_RECORD_DEPTH"],
    ["has 300,000 children", "<a/>".repeat(300_000), "VAL_RECORD_TOO_LARGE"],
    [
      "has 5,000 fields",
      Array.from({ length: 5_000 }, (_, i) => `<a${i}/>`).join(""),
      "VAL_RECORD_TOO_LARGE",
    ],
  ])("%s is set aside alone, and tried again in vain", async (_name, content, code) => {
    const entry = (n: number, inner: string) => `<Weakness ID="${n}">${inner}</Weakness>`;
    const url = await serve({
      "/": `<Weakness_Catalog><Weaknesses>${entry(1, "<Summary>a</Summary>")}${entry(2, content)}${entry(3, "")}</Weaknesses></Weakness_Catalog>`,
    });
    const { summary, stored, told } = await outcomeOf("cwe", url);
    expect(summary).toMatchObject({ state: "incomplete", fetched: 3, created: 2, deadLettered: 1 });
    expect([...stored.keys()]).toEqual(["CWE-1", "CWE-3"]);
    expect(told).toEqual([{ id: "CWE-2", code }]);
  });
});

test("a catalogue whose bytes are the same and wrong is asked for twice, not eight times", async () => {
  const url = await serve({
    "/": "<Weakness_Catalog><Weaknesses><Weakness ID='1'></Weaknesses></Weakness_Catalog>",
  });
  uee = await openTestEngine(redis.url, { providers: { cwe: { url, rate: "unlimited" } } });
  const run = await uee.run("cwe", "full");
  expect(run).toMatchObject({ state: "failed", requests: 2 });
  const { letters } = await uee.engine.deadLetters.list({ provider: "cwe" }, { limit: 10 });
  expect(letters.map(({ code }) => code)).toEqual(["PROV_BAD_XML"]);
});

const weakness = (n: number, more: string): string => `{"ID":"${n}"${more === "" ? "" : `,${more}`}}`;

describe("of a JSON catalogue the entry that", () => {
  test.each(oddities)("%s is set aside alone", async (_name, odd, code) => {
    const entries = [weakness(1, atTheBounds), weakness(2, odd()), weakness(3, "")];
    const url = await serve({
      "/": `{"ContentVersion":"4","x":${brackets(9_999)},"Weaknesses":[${entries.join(",")}]}`,
    });
    const { summary, stored, told, raws } = await outcomeOf("cwe", url);
    expect(summary).toMatchObject({ state: "incomplete", fetched: 3, created: 2, deadLettered: 1 });
    expect([...stored.keys()]).toEqual(["CWE-1", "CWE-3"]);
    expect(told).toEqual([{ id: "CWE-2", code }]);
    expect(raws[0] === entries[1]).toBe(true);
  });
});
