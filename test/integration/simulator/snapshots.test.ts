import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { SaxesParser } from "saxes";
import { canonicalJson, type JsonObject } from "../../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { exchange, json } from "./http.ts";

const NOW = Date.UTC(2026, 5, 1);

/** Ids of the elements two levels below the root, by an independent parser. */
function idsOf(xml: string, prefix: string): string[] {
  const ids: string[] = [];
  let depth = 0;
  let group = "";
  const parser = new SaxesParser();
  parser.on("opentag", ({ name, attributes }) => {
    depth += 1;
    if (depth === 2) group = name;
    if (depth === 3 && group !== "External_References") ids.push(`${prefix}-${attributes.ID}`);
  });
  parser.on("closetag", () => {
    depth -= 1;
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.write(xml).close();
  return ids.sort();
}

const trueIds = (simulator: Simulator, provider: "cwe" | "capec" | "attack"): string[] =>
  [...simulator.content(provider)].map(({ id }) => id);

interface Index {
  collections: { name: string; versions: { version: string; url: string; modified: string }[] }[];
}

describe("The snapshot feeds, simulated", () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator({ cves: 5, cwes: 120, capecs: 80, attackObjects: 400, now: NOW });
  });
  afterAll(() => simulator.close());

  test("CWE says the same ids as XML and as JSON", async () => {
    const xml = await exchange(simulator.urls.cweXml);
    const catalogue = json(await exchange(simulator.urls.cweJson)) as Record<string, JsonObject[]>;
    const listed = ["Weaknesses", "Categories", "Views"].flatMap((name) =>
      catalogue[name]!.map((entry) => `CWE-${entry.ID}`),
    );
    expect(idsOf(xml.body.toString(), "CWE")).toEqual(trueIds(simulator, "cwe"));
    expect(listed.sort()).toEqual(trueIds(simulator, "cwe"));
    const entry = [...simulator.content("cwe")].find(
      ({ id }) => id === `CWE-${catalogue.Weaknesses![0]!.ID}`,
    );
    expect(canonicalJson(entry?.data)).toBe(canonicalJson(catalogue.Weaknesses![0]));
    expect(xml.body.toString()).toContain(entry!.xml);
  });

  test("CAPEC holds what content() says, each element verbatim", async () => {
    const xml = (await exchange(simulator.urls.capec)).body.toString();
    expect(idsOf(xml, "CAPEC")).toEqual(trueIds(simulator, "capec"));
    for (const entry of simulator.content("capec")) expect(xml).toContain(entry.xml);
  });

  test("the newest bundles of the index hold the objects, the greatest modified of each", async () => {
    const index = json(await exchange(simulator.urls.attack)) as Index;
    expect(index.collections.map(({ name }) => name)).toEqual([
      "Enterprise ATT&CK",
      "Mobile ATT&CK",
      "ICS ATT&CK",
    ]);
    const newest = new Map<string, JsonObject>();
    let copies = 0;
    for (const { versions } of index.collections) {
      const bundle = json(await exchange(versions[0]!.url)) as { type: string; objects: JsonObject[] };
      expect(bundle.type).toBe("bundle");
      for (const object of bundle.objects) {
        copies += 1;
        const known = newest.get(String(object.id));
        const time = (one: JsonObject): string => String(one.modified ?? one.created);
        if (!known || time(object) > time(known)) newest.set(String(object.id), object);
      }
    }
    expect(copies).toBeGreaterThan(newest.size);
    const truth = [...simulator.content("attack")];
    expect([...newest.keys()].sort()).toEqual(truth.map(({ id }) => id));
    for (const { id, data } of truth) expect(canonicalJson(newest.get(id))).toBe(canonicalJson(data));
  });

  test.each(["cweZip", "cweXml", "cweJson", "capec", "attack"] as const)(
    "%s answers 304 to who has it, 200 after it changed, and HEAD without a body",
    async (name) => {
      const own = await startSimulator({ cves: 5, cwes: 40, capecs: 40, attackObjects: 60, now: NOW });
      try {
        const url = own.urls[name];
        const first = await exchange(url);
        const etag = first.headers.etag!;
        const since = first.headers["last-modified"]!;
        const byTag = await exchange(url, { headers: { "if-none-match": etag } });
        expect([byTag.status, byTag.body.length, byTag.headers.etag]).toEqual([304, 0, etag]);
        expect((await exchange(url, { headers: { "if-modified-since": since } })).status).toBe(304);
        const head = await exchange(url, { method: "HEAD" });
        expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([
          200,
          0,
          String(first.body.length),
        ]);
        own.setPoint("after");
        const later = await exchange(url, { headers: { "if-none-match": etag } });
        expect([later.status, later.headers.etag === etag]).toEqual([200, false]);
        expect((await exchange(url, { headers: { "if-modified-since": since } })).status).toBe(200);
      } finally {
        await own.close();
      }
    },
  );

  test("a bundle stays at its address for one release more", async () => {
    const own = await startSimulator({ cves: 5, attackObjects: 60, now: NOW });
    try {
      const url = (json(await exchange(own.urls.attack)) as Index).collections[0]!.versions[0]!.url;
      const before = (await exchange(url)).body;
      own.mutate({ provider: "attack", modify: 3 });
      expect((await exchange(url)).body.equals(before)).toBe(true);
      own.mutate({ provider: "attack", modify: 3 });
      expect((await exchange(url)).status).toBe(404);
    } finally {
      await own.close();
    }
  });

  test("gzip is sent to clients that ask for it", async () => {
    const own = await startSimulator({ cves: 50 });
    try {
      const plain = await exchange(own.urls.capec);
      const zipped = await exchange(own.urls.capec, { headers: { "accept-encoding": "gzip, br" } });
      expect(plain.headers["content-encoding"]).toBeUndefined();
      expect(zipped.headers["content-encoding"]).toBe("gzip");
      expect(zipped.body.length).toBeLessThan(plain.body.length / 2);
    } finally {
      await own.close();
    }
  });
});
