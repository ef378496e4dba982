import { describe, expect, test } from "@jest/globals";
import { isObject, type JsonObject } from "../../../src/core/json.ts";
import { attack } from "../../../src/providers/attack/attack.ts";
import { capec } from "../../../src/providers/capec/capec.ts";
import type { AnyProvider } from "../../../src/providers/contract.ts";
import { cwe } from "../../../src/providers/cwe/cwe.ts";
import { factsOfData, factsOfNode, parseTree, type XmlNode } from "../../support/xmlFacts.ts";
import { fakeUpstream, hasSharedData, makeZip, readShared, runSnapshot } from "./support.ts";

const url = "http://upstream/file";
const load = async (provider: AnyProvider, body: Buffer | string) =>
  (await runSnapshot(provider, fakeUpstream({ [url]: { body } }))).records as JsonObject[];

const transformAll = (provider: AnyProvider, records: unknown[]) =>
  new Map(records.map((raw) => provider.transform(raw)).map((record) => [record.id, record]));

const recordNodes = (root: XmlNode): XmlNode[] =>
  root.children.filter(({ name }) => name !== "External_References").flatMap((group) => group.children);

function expectAccounted(source: Buffer, records: JsonObject[]): void {
  const nodes = recordNodes(parseTree(source.toString("utf8")));
  expect(records.length).toBe(nodes.length);
  for (const [i, node] of nodes.entries()) {
    expect(factsOfData(records[i]).sort()).toEqual(factsOfNode(node).sort());
  }
}

(hasSharedData ? describe : describe.skip)("On the real feeds", () => {
  test("every element, attribute and text of CAPEC 3.9 is in the records, and nothing else", async () => {
    const source = readShared("capec/capec_contents_latest-3.9.xml.gz");
    const records = await load(capec, source);
    expectAccounted(source, records);
    expect(transformAll(capec, records).size).toBe(615 + 78 + 13);
  });

  test("every element, attribute and text of the CWE extract is in its record, zipped or not", async () => {
    const source = readShared("cwe/cwec-small-aquasecurity.xml.gz");
    const records = await load(cwe, source);
    expectAccounted(source, records);
    expect(records.map((raw) => cwe.transform(raw).id)).toEqual(["CWE-209"]);
    expect(await load(cwe, makeZip([{ name: "cwec_v4.18.xml", content: source }]))).toEqual(records);
  });

  test.each(["4.16", "4.17"])("the JSON catalogue %s is stored as it is", async (edition) => {
    const parts = ["weaknesses", "categories", "views"].map((name) =>
      JSON.parse(readShared(`cwe/rest-api-${edition}/${name}.json.gz`).toString("utf8")),
    );
    const catalogue: Record<string, JsonObject[]> = Object.assign({}, ...parts);
    const entries = Object.values(catalogue).flat();
    const records = transformAll(cwe, await load(cwe, JSON.stringify(catalogue)));
    expect(records.size).toBe(entries.length);
    for (const entry of entries) expect(records.get(`CWE-${entry.ID}`)?.data).toEqual(entry);
  });

  test("every STIX object of three bundles of different years is there once, in its newest copy", async () => {
    const bundles = [
      "attack/enterprise-attack-16.1.stix20.json.gz",
      "attack/mobile-attack-14.1.stix21.json.gz",
      "attack/ics-attack-17.1.stix21.json.gz",
    ].map(readShared);
    const expected = new Map<string, JsonObject>();
    for (const bundle of bundles) {
      for (const object of JSON.parse(bundle.toString("utf8")).objects as JsonObject[]) {
        const known = expected.get(object.id as string);
        const version = String(object.modified ?? object.created);
        if (!known || version > String(known.modified ?? known.created))
          expected.set(object.id as string, object);
      }
    }
    const ids = [
      "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019",
      "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858",
      "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09",
    ];
    const index = {
      collections: ids.map((id, i) => ({ id, versions: [{ version: "1.0", url: `${i}.json` }] })),
    };
    const upstream = fakeUpstream({
      "http://upstream/index.json": { body: JSON.stringify(index) },
      ...Object.fromEntries(bundles.map((body, i) => [`http://upstream/${i}.json`, { body }])),
    });
    const { records, staged } = await runSnapshot(attack, upstream);
    expect(upstream.requests.length).toBe(4);
    expect(staged.facts?.total).toBe(expected.size);
    expect(records.length).toBe(expected.size);
    const seen = transformAll(attack, records);
    expect(seen.size).toBe(expected.size);
    for (const [id, object] of expected) expect(seen.get(id)?.data).toEqual(object);
    const aliases = [...seen.values()].filter(({ aliases }) => aliases.includes("T1059.001"));
    expect(aliases.map(({ data }) => data.name)).toEqual(["PowerShell"]);
    expect([...seen.values()].some(({ data }) => isObject(data) && data.revoked === true)).toBe(true);
  });
});
