import { describe, expect, test } from "@jest/globals";
import { isUeeError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { capec } from "../../../src/providers/capec/capec.ts";
import { cwe } from "../../../src/providers/cwe/cwe.ts";
import { type Answer, fakeUpstream, makeZip, runSnapshot } from "./support.ts";

const url = "http://upstream/cwe";
const xml = (ids: number[], date = "2025-09-09"): string =>
  `<Weakness_Catalog Name="CWE" Version="4.18" Date="${date}"><Weaknesses>${ids
    .map((id) => `<Weakness ID="${id}"><Description>d${id}</Description></Weakness>`)
    .join("")}</Weaknesses></Weakness_Catalog>`;

const entry = (change: JsonObject) => ({ ID: "79", MappingNotes: {}, ContentHistory: [], ...change });

const codeOf = (step: () => unknown): Promise<string> =>
  Promise.resolve()
    .then(step)
    .then(
      () => "no error",
      (error: unknown) => (isUeeError(error) ? error.code : String(error)),
    );

const ids = (records: unknown[]) => records.map((raw) => cwe.transform(raw).id);

describe("CWE", () => {
  test.each<[string, Buffer | string]>([
    ["XML", xml([5, 79])],
    ["a zip with XML", makeZip([{ name: "cwec.xml", content: Buffer.from(xml([5, 79])) }])],
    ["MITRE's JSON", JSON.stringify({ Weaknesses: [{ ID: "5" }], Categories: [], Views: [{ ID: 79 }] })],
    ["a part of MITRE's JSON", JSON.stringify({ Categories: [{ ID: "5" }, { ID: "79" }] })],
  ])("reads %s, told by its content", async (_, body) => {
    const { records, staged } = await runSnapshot(cwe, fakeUpstream({ [url]: { body } }));
    expect(ids(records)).toEqual(["CWE-5", "CWE-79"]);
    expect(staged.facts?.total).toBe(2);
    expect(staged.changeKey?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test("costs one request when the upstream says nothing has changed", async () => {
    const answers = { [url]: { body: xml([5]), headers: { etag: '"1"' } } };
    const first = await runSnapshot(cwe, fakeUpstream(answers));
    expect(first.staged.changeKey).toEqual({
      etag: '"1"',
      sha256: expect.any(String),
    });
    const again = fakeUpstream(answers, { mode: "incremental", changeKey: first.staged.changeKey });
    const { staged } = await runSnapshot(cwe, again);
    expect(staged).toMatchObject({ records: [], notModified: true, changeKey: first.staged.changeKey });
    expect(again.requests.length).toBe(1);
    expect(again.staged.size).toBe(0);
  });

  test("costs one request when an upstream that knows no etags sends the same bytes", async () => {
    const answers = { [url]: { body: xml([5]) } };
    const { staged } = await runSnapshot(cwe, fakeUpstream(answers));
    const again = fakeUpstream(answers, { mode: "incremental", changeKey: staged.changeKey });
    expect((await runSnapshot(cwe, again)).staged.notModified).toBe(true);
    expect(again.staged.size).toBe(0);
  });

  test("stages everything in a full run, whatever is known, and asks unconditionally", async () => {
    const answers = { [url]: { body: xml([5]), headers: { etag: '"1"' } } };
    const { staged } = await runSnapshot(cwe, fakeUpstream(answers));
    const full = fakeUpstream(answers, { mode: "full", changeKey: staged.changeKey });
    const second = await runSnapshot(cwe, full);
    expect(second.records.length).toBe(1);
    expect(full.requests[0]?.headers).toEqual({});
  });

  test("stages everything when the bytes have changed under a moved etag", async () => {
    const { staged } = await runSnapshot(
      cwe,
      fakeUpstream({ [url]: { body: xml([5]), headers: { etag: "1" } } }),
    );
    const moved = { [url]: { body: xml([5, 6]), headers: { etag: "2" } } };
    const { records } = await runSnapshot(
      cwe,
      fakeUpstream(moved, { mode: "incremental", changeKey: staged.changeKey }),
    );
    expect(ids(records)).toEqual(["CWE-5", "CWE-6"]);
  });

  test("names its edition by the catalogue's version and date, and by the file's time", async () => {
    const dated = await runSnapshot(cwe, fakeUpstream({ [url]: { body: xml([5]) } }));
    expect(dated.staged.facts?.edition).toMatchObject({ version: "4.18", date: "2025-09-09" });
    const json: Answer = {
      body: JSON.stringify({ Weaknesses: [{ ID: "5" }] }),
      headers: { "last-modified": "Thu, 03 Apr 2025 10:00:00 GMT" },
    };
    const undated = await runSnapshot(cwe, fakeUpstream({ [url]: json }));
    expect(undated.staged.facts?.edition).toMatchObject({ lastModified: "Thu, 03 Apr 2025 10:00:00 GMT" });
  });

  test("lets the later of two entries with one ID stand and counts it once", async () => {
    const body = JSON.stringify({
      Weaknesses: [
        { ID: "5", Name: "a" },
        { ID: 5, Name: "b" },
      ],
    });
    const { records, staged } = await runSnapshot(cwe, fakeUpstream({ [url]: { body } }));
    expect(records).toEqual([{ ID: 5, Name: "b" }]);
    expect(staged.facts?.total).toBe(1);
  });

  test("counts entries without an ID, each for itself", async () => {
    const body = JSON.stringify({ Weaknesses: [{ ID: "5" }, { Name: "x" }, null, "text", { ID: "x" }] });
    const { records, staged } = await runSnapshot(cwe, fakeUpstream({ [url]: { body } }));
    expect(staged.facts?.total).toBe(5);
    expect(records.map(cwe.identify)).toEqual(["CWE-5", undefined, undefined, undefined, undefined]);
  });

  test.each<[string, Buffer | string, string]>([
    ["XML cut off", xml([5, 6]).slice(0, -30), "PROV_BAD_XML"],
    [
      "a zip cut off",
      makeZip([{ name: "a.xml", content: Buffer.from(xml([5])) }]).subarray(0, 80),
      "PROV_BAD_ZIP",
    ],
    [
      "a zip of cut-off XML",
      makeZip([{ name: "a.xml", content: Buffer.from("<Weakness_Catalog>") }]),
      "PROV_BAD_XML",
    ],
    ["CAPEC's catalogue", "<Attack_Pattern_Catalog/>", "PROV_WRONG_SHAPE"],
    ["JSON cut off", '{"Weaknesses":[{"ID":"5"}', "PROV_TRUNCATED"],
    ["JSON with a wrong root", '[{"ID":"5"}]', "PROV_WRONG_SHAPE"],
    ["JSON of another kind", '{"vulnerabilities":[]}', "PROV_WRONG_SHAPE"],
    ["a list that is none", '{"Weaknesses":{"ID":"5"}}', "PROV_WRONG_SHAPE"],
    ["a web page", "<!doctype html><p>", "PROV_HTML"],
    ["an empty catalogue", "<Weakness_Catalog><Weaknesses/></Weakness_Catalog>", "PROV_EMPTY_LIE"],
    ["an empty JSON catalogue", '{"Weaknesses":[],"Views":[]}', "PROV_EMPTY_LIE"],
    ["nothing", "", "PROV_TRUNCATED"],
  ])("plans no commit out of %s", async (_, body, code) => {
    expect(await codeOf(() => runSnapshot(cwe, fakeUpstream({ [url]: { body } })))).toBe(code);
  });

  test("stops when its batch is aborted", async () => {
    const upstream = fakeUpstream({ [url]: { body: xml([5]) } });
    const signal = AbortSignal.abort(new Error("superseded"));
    await expect(cwe.extract({ kind: "stage", pass: 1 }, { ...upstream.context, signal })).rejects.toThrow(
      "superseded",
    );
    expect(upstream.staged.size).toBe(0);
  });

  test("lets nulls and unknown fields pass", () => {
    const raw = entry({ Name: null, References: null, RelatedWeaknesses: null, New: { a: 1 } });
    const { id, data } = cwe.transform(raw);
    expect(id).toBe("CWE-79");
    expect(data).toBe(raw);
  });

  test.each<[string, unknown, string]>([
    ["a list", [], "VAL_RECORD_SHAPE"],
    ["null", null, "VAL_RECORD_SHAPE"],
    ["an entry without ID", { Name: "x" }, "VAL_RECORD_ID"],
    ["an ID that is no number", entry({ ID: "seventy-nine" }), "VAL_RECORD_ID"],
    ["a list that is an object", entry({ RelatedWeaknesses: {} }), "VAL_RECORD_FIELD"],
    ["a list that both forms have and is an object", entry({ References: {} }), "VAL_RECORD_FIELD"],
    ["an object that is text", entry({ MappingNotes: "x" }), "VAL_RECORD_FIELD"],
    ["an object that is a list", entry({ MappingNotes: [] }), "VAL_RECORD_FIELD"],
    ["an XML group that is text", { ID: "79", Related_Weaknesses: "x" }, "VAL_RECORD_FIELD"],
  ])("sets aside %s", async (_, raw, code) => {
    expect(await codeOf(() => cwe.transform(raw))).toBe(code);
  });

  test("names the field of a bad record", () => {
    expect(() => cwe.transform(entry({ Notes: 7 }))).toThrow(/VAL_RECORD_FIELD: 'Notes' of CWE-79/);
  });

  test("knows its ids however they are written", () => {
    expect(["cwe-79", " CWE-0079 ", "CWE-", "CWE-0", "79", "CAPEC-79"].map(cwe.normalizeId)).toEqual([
      "CWE-79",
      "CWE-79",
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("CAPEC", () => {
  const catalogue = `<Attack_Pattern_Catalog Version="3.9" Date="2023-01-24"><Attack_Patterns><Attack_Pattern ID="66"/></Attack_Patterns><Categories><Category ID="100"/></Categories><Views><View ID="283"/></Views></Attack_Pattern_Catalog>`;

  test("reads attack patterns, categories and views, zipped or not", async () => {
    for (const body of [catalogue, makeZip([{ name: "capec.xml", content: Buffer.from(catalogue) }])]) {
      const { records, staged } = await runSnapshot(capec, fakeUpstream({ [url]: { body } }));
      expect(records.map((raw) => capec.transform(raw).id)).toEqual(["CAPEC-66", "CAPEC-100", "CAPEC-283"]);
      expect(staged.facts?.edition).toMatchObject({ version: "3.9" });
    }
  });

  test("is not read from JSON, nor from CWE's catalogue", async () => {
    for (const body of ['{"Weaknesses":[{"ID":"1"}]}', xml([1])]) {
      expect(await codeOf(() => runSnapshot(capec, fakeUpstream({ [url]: { body } })))).toBe(
        "PROV_WRONG_SHAPE",
      );
    }
  });
});
