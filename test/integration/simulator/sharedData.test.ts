import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson, type JsonObject } from "../../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { exchange, json, nvdPage } from "./http.ts";

const folder = resolve(process.env.UEE_SHARED_DATA ?? "../shared/data");
const present = existsSync(join(folder, "nvd", "cve-before.ndjson.gz"));
if (!present) process.stderr.write(`skipped: no real feeds at ${folder} (UEE_SHARED_DATA)\n`);

const unzipped = (path: string): string => gunzipSync(readFileSync(join(folder, path))).toString("utf8");
const lines = (name: string): JsonObject[] =>
  unzipped(`nvd/${name}.ndjson.gz`)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);

(present ? describe : describe.skip)("Real feeds, served", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ dataset: { sharedData: folder } });
  });
  afterAll(() => simulator?.close());

  /** Every one's identity and time, and the whole of every tenth. */
  const expectServed = (served: Map<string, JsonObject>, truth: JsonObject[]): void => {
    const heads = (records: (JsonObject | undefined)[]) => records.map((one) => [one?.id, one?.lastModified]);
    expect(heads(truth.map(({ id }) => served.get(String(id))))).toEqual(heads(truth));
    for (let i = 0; i < truth.length; i += 10)
      expect(canonicalJson(served.get(String(truth[i]!.id)))).toBe(canonicalJson(truth[i]));
  };

  const all = async (): Promise<Map<string, JsonObject>> => {
    const records = new Map<string, JsonObject>();
    for (let start = 0, total = 1; start < total; start += 2_000) {
      const page = nvdPage(await exchange(`${simulator.urls.cve}?startIndex=${start}`));
      total = page.totalResults;
      for (const { cve } of page.vulnerabilities) records.set(cve.id, cve);
    }
    return records;
  };

  test("every CVE of the earlier and then of the later snapshot comes verbatim", async () => {
    const served = await all();
    const before = lines("cve-before");
    expectServed(served, before);
    const edge = lines("edge-cases").filter(({ snapshot }) => snapshot !== "2026-03");
    for (const { cve } of edge) expect(served.has(String((cve as JsonObject).id))).toBe(true);

    const { cve: report } = simulator.setPoint("after");
    const later = await all();
    const after = [...lines("cve-after"), ...lines("cve-added")];
    expectServed(later, after);
    expect(later.size).toBe(served.size + report.added.length - report.removed.length);
    const beforeById = new Map(before.map((record) => [String(record.id), record]));
    const changed = after.filter(({ id, ...rest }) => {
      const was = beforeById.get(String(id));
      return was !== undefined && canonicalJson(was) !== canonicalJson({ id, ...rest });
    });
    const reported = [...report.modified, ...report.silent, ...report.rejected];
    expect(reported.length).toBe(changed.length);
    expect(report.silent.length).toBeGreaterThan(0);
    simulator.setPoint("before");
  });

  test("a real record can be edited, rejected and removed while it runs", async () => {
    const [first, second, third] = [...simulator.content("cve")].slice(0, 3).map(({ id }) => id) as [
      string,
      string,
      string,
    ];
    simulator.mutate({ modify: [first], reject: [second], remove: [third], at: "2026-06-01T00:00:00Z" });
    const served = await all();
    expect(served.get(first)).toMatchObject({ id: first, lastModified: "2026-06-01T00:00:00.000" });
    expect(served.get(second)).toMatchObject({ vulnStatus: "Rejected", metrics: {}, references: [] });
    expect(served.has(third)).toBe(false);
    simulator.setPoint("before");
  });

  test("CWE, CAPEC and ATT&CK are the files' own", async () => {
    const catalogue = json(await exchange(simulator.urls.cwe)) as Record<string, JsonObject[]>;
    const weaknesses = JSON.parse(unzipped("cwe/rest-api-4.16/weaknesses.json.gz")) as {
      Weaknesses: JsonObject[];
    };
    expect(canonicalJson(catalogue.Weaknesses)).toBe(canonicalJson(weaknesses.Weaknesses));
    expect([...simulator.content("cwe")]).toHaveLength(965 + 409 + 55);
    const capec = (await exchange(simulator.urls.capec)).body.toString();
    expect(capec).toBe(unzipped("capec/capec_contents_latest-3.9.xml.gz"));
    expect([...simulator.content("capec")]).toHaveLength(615 + 78 + 13);
    const index = json(await exchange(simulator.urls.attack)) as {
      collections: { versions: { version: string; url: string }[] }[];
    };
    expect(index.collections.map(({ versions }) => versions[0]!.version)).toEqual(["16.1", "14.1", "16.1"]);
    const ics = (await exchange(index.collections[2]!.versions[0]!.url)).body.toString();
    expect(ics).toBe(unzipped("attack/ics-attack-16.1.stix21.json.gz"));
  });

  test("generated records have no field that real ones lack, and no other words where real ones have few", async () => {
    const valuesByPath = (records: Iterable<unknown>): Map<string, Set<unknown>> => {
      const found = new Map<string, Set<unknown>>();
      const look = (value: unknown, path: string): void => {
        if (Array.isArray(value)) for (const one of value) look(one, `${path}[]`);
        else if (typeof value === "object" && value !== null)
          for (const [key, one] of Object.entries(value)) look(one, `${path}.${key}`);
        else found.set(path, (found.get(path) ?? new Set()).add(value));
      };
      for (const record of records) look(record, "");
      return found;
    };
    const real = valuesByPath([...lines("cve-after"), ...lines("cve-added")]);
    const generated = await startSimulator({ cves: 2_000 });
    try {
      const made = valuesByPath([...generated.content("cve")].map(({ data }) => data));
      const problems: unknown[] = [];
      for (const [path, values] of made) {
        // Newer than the real files at hand.
        if (/^\.(affected\[\]|metrics\.ssvcV203\[\])/.test(path)) continue;
        const known = real.get(path);
        if (!known) problems.push(path);
        // Words of the schema, not the names of people and products.
        else if (
          known.size < 20 &&
          [...known].every((one) => /^[A-Z][A-Za-z_ ]*$|^\d\.\d$/.test(String(one)))
        )
          for (const value of values)
            if (!known.has(value) && value !== "Not Scheduled") problems.push([path, value]);
      }
      expect(problems).toEqual([]);
    } finally {
      await generated.close();
    }
  });
});
