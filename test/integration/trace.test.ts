/**
 * The graph over the real catalogues: from a CVE through weaknesses and attack patterns to techniques, and back. What is
 * expected is read from the sources here, by plain means. Skipped where the data is not there.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.ts";
import type { Trace } from "../../src/engine/api.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type Simulator, startSimulator, upstreamNames } from "../../src/simulator/index.ts";
import { bareEnv, bin } from "../e2e/cliSupport.ts";
import { type ListingRecord, type ListingServer, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { hasSharedData, sharedData } from "../unit/providers/support.ts";

const LOG4SHELL = "CVE-2021-44228";
const describeReal = hasSharedData ? describe : describe.skip;
if (!hasSharedData) process.stderr.write("skipped: no real feeds (UEE_SHARED_DATA or ../shared/data)\n");

const weakness = (type: string, ...values: string[]) => ({
  source: type === "Primary" ? "nvd@nist.gov" : "security@apache.org",
  type,
  description: values.map((value) => ({ lang: "en", value })),
});

/** As NVD has it, but for the weaknesses at the end: one that no catalogue has, one that stands for none. */
const log4shell: ListingRecord = {
  id: LOG4SHELL,
  published: "2021-12-10T10:15:09.143",
  lastModified: "2025-10-27T17:35:16.080",
  cisaVulnerabilityName: "Apache Log4j2 Remote Code Execution Vulnerability",
  descriptions: [{ lang: "en", value: "Apache Log4j2 2.0-beta9 through 2.15.0 …" }],
  weaknesses: [
    weakness("Secondary", "CWE-20", "CWE-400", "CWE-502"),
    weakness("Primary", "CWE-20", "CWE-917"),
    weakness("Secondary", "CWE-99999", "NVD-CWE-noinfo"),
  ],
};

const read = (path: string): string => gunzipSync(readFileSync(join(sharedData, path))).toString("utf8");
const lines = (path: string): ListingRecord[] =>
  read(path)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ListingRecord);

const cwe = (number: string | number) => `v2e::mitre::cwe::CWE-${number}`;
const capec = (number: string | number) => `v2e::mitre::capec::CAPEC-${number}`;
const attack = (id: string) => `v2e::mitre::attack::${id}`;

/** What the sources say, by plain means. */
function readSources() {
  const { Weaknesses } = JSON.parse(read("cwe/rest-api-4.17/weaknesses.json.gz")) as {
    Weaknesses: (JsonObject & { ID: string; Name: string; RelatedAttackPatterns?: string[] })[];
  };
  const patterns = new Map<string, { name: string; techniques: string[] }>();
  for (const [, attributes, body] of read("capec/capec_contents_latest-3.9.xml.gz").matchAll(
    /<Attack_Pattern (ID="[^>]*)>(.*?)<\/Attack_Pattern>/gs,
  )) {
    const techniques = [...body!.matchAll(/Taxonomy_Name="ATTACK">\s*<Entry_ID>([\d.]+)<\/Entry_ID>/g)].map(
      ([, id]) => `T${id}`,
    );
    patterns.set(/ID="(\d+)"/.exec(attributes!)![1]!, {
      name: /Name="([^"]*)"/.exec(attributes!)![1]!,
      techniques,
    });
  }
  const techniques = new Map<string, JsonObject>();
  for (const file of [
    "ics-attack-17.1.stix21",
    "mobile-attack-17.1.stix21",
    "enterprise-attack-17.1.stix20",
  ]) {
    const { objects } = JSON.parse(read(`attack/${file}.json.gz`)) as { objects: JsonObject[] };
    for (const object of objects) {
      const id = (object.external_references as JsonObject[] | undefined)?.[0]?.external_id as string;
      if (object.type === "attack-pattern" && !object.revoked && !object.x_mitre_deprecated)
        techniques.set(id, object);
    }
  }
  return { weaknesses: new Map(Weaknesses.map((one) => [one.ID, one])), patterns, techniques };
}

const edgesFrom = ({ edges }: Trace, from: string, relation?: RegExp) =>
  edges.filter((edge) => edge.from === from && (relation?.test(edge.relation) ?? true)).map(({ to }) => to);

let redis: TestRedis;
let simulator: Simulator;
let listing: ListingServer;
let uee: TestEngine;
let sources: ReturnType<typeof readSources>;
let scores: ReturnType<typeof createServer>;

describeReal("the graph of the real catalogues", () => {
  beforeAll(async () => {
    sources = readSources();
    redis = await startRedis({});
    simulator = await startSimulator({ dataset: { sharedData }, point: "after" });
    listing = await startListing([log4shell, ...lines("nvd/cve-added.ndjson.gz")]);
    const csv = `#model_version:v2025.03.14,score_date:2026-01-30T12:55:00Z\ncve,epss,percentile\n${LOG4SHELL},0.94358,0.99957\n`;
    scores = createServer((_request, response) => response.end(gzipSync(csv)));
    await new Promise<void>((resolve) => scores.listen(0, "127.0.0.1", resolve));
    const urls = {
      ...Object.fromEntries(upstreamNames.map((name) => [name, simulator.urls[name]])),
      cve: listing.url,
      epss: `http://127.0.0.1:${(scores.address() as AddressInfo).port}/`,
    };
    uee = await openTestEngine(redis.url, {
      providers: Object.fromEntries(
        Object.entries(urls).map(([name, url]) => [name, { url, rate: "unlimited" as const }]),
      ),
    });
    for (const provider of Object.keys(urls)) {
      const run = await uee.run(provider, "full");
      expect(run).toMatchObject({ provider, state: "complete" });
    }
  }, 300_000);
  afterAll(async () => {
    await uee?.close();
    await listing?.close();
    await simulator?.close();
    scores?.close();
    await redis?.stop();
  });

  const traced = async (text: string, options = {}): Promise<Trace> => {
    const found = await uee.engine.records.trace(text, options);
    const urns = new Set(found!.nodes.map(({ urn }) => urn));
    expect(urns.size).toBe(found!.nodes.length);
    for (const { from, to } of found!.edges) expect([urns.has(from), urns.has(to)]).toEqual([true, true]);
    return found!;
  };
  const namesOf = ({ nodes }: Trace) => new Map(nodes.map(({ urn, name }) => [urn, name]));

  test(`${LOG4SHELL} leads to its weaknesses, patterns and techniques`, async () => {
    const root = `v2e::nvd::cve::${LOG4SHELL}`;
    const found = await traced(LOG4SHELL.toLowerCase());
    expect(Object.keys(found)).toEqual(["root", "nodes", "edges", "more"]);
    expect(found.root).toBe(root);
    const names = namesOf(found);
    expect(names.get(root)).toBe("Apache Log4j2 Remote Code Execution Vulnerability");

    const edges = found.edges.filter(({ from }) => from === root).map(({ to, relation }) => [to, relation]);
    expect(edges.sort()).toEqual(
      [
        ...["CWE-20", "CWE-400", "CWE-502", "CWE-99999", "NVD-CWE-noinfo"].map((id) => [
          id,
          "secondary-weakness",
        ]),
        ...["CWE-20", "CWE-917"].map((id) => [id, "primary-weakness"]),
      ]
        .map(([id, relation]) => [`v2e::mitre::cwe::${id}`, relation])
        .sort(),
    );
    expect(names.get("v2e::mitre::cwe::CWE-99999")).toBeNull();
    expect(names.get("v2e::mitre::cwe::NVD-CWE-noinfo")).toBeNull();

    const patterns = new Set<string>();
    for (const number of ["20", "400", "502", "917"]) {
      const { Name, RelatedAttackPatterns = [], RelatedWeaknesses } = sources.weaknesses.get(number)!;
      expect(names.get(cwe(number))).toBe(Name);
      const related = (RelatedWeaknesses as JsonObject[]).map(
        ({ Nature, CweID }) => `${Nature} ${cwe(String(CweID))}`,
      );
      const shown = found.edges.filter((edge) => edge.from === cwe(number) && edge.to.includes("::cwe::"));
      expect(shown.map(({ to, relation }) => `${relation} ${to}`).sort()).toEqual(
        [...new Set(related)].sort(),
      );
      expect(edgesFrom(found, cwe(number), /^related-attack-pattern$/).sort()).toEqual(
        RelatedAttackPatterns.map(capec).sort(),
      );
      for (const pattern of RelatedAttackPatterns) patterns.add(pattern);
    }
    expect(patterns.size).toBeGreaterThan(40);
    const reached = new Set<string>();
    for (const pattern of patterns) {
      const source = sources.patterns.get(pattern);
      if (source === undefined) continue;
      const techniques: JsonObject[] = source.techniques
        .map((id) => sources.techniques.get(id))
        .filter((one) => one !== undefined);
      const mapped = edgesFrom(found, capec(pattern), /^taxonomy-mapping$/);
      for (const { id, name } of techniques) {
        expect(mapped).toContain(attack(String(id)));
        expect(names.get(attack(String(id)))).toBe(name);
        reached.add(String(id));
      }
    }
    expect(reached.size).toBeGreaterThan(5);
    const { nodes } = await traced(LOG4SHELL, { aliases: true });
    const aliases = new Map(nodes.map(({ urn, alias }) => [urn, alias]));
    expect(aliases.get(root)).toBeNull();
    for (const [alias, { id }] of sources.techniques) {
      if (reached.has(String(id))) expect(aliases.get(attack(String(id)))).toBe(alias);
    }
    expect(found.edges).toContainEqual({ from: `v2e::cisa::kev::${LOG4SHELL}`, to: root, relation: "about" });
    expect(found.edges).toContainEqual({
      from: `v2e::first::epss::${LOG4SHELL}`,
      to: root,
      relation: "about",
    });
    expect(names.get(`v2e::first::epss::${LOG4SHELL}`)).toBe("EPSS 0.94358, percentile 0.99957");
  });

  test("and back: each of its techniques leads to the patterns, weaknesses and CVEs behind it", async () => {
    const up = await traced(LOG4SHELL);
    const technique = up.edges.find(({ relation }) => relation === "taxonomy-mapping")!.to;
    const pattern = up.edges.find(
      ({ to, relation }) => to === technique && relation === "taxonomy-mapping",
    )!.from;
    const weak = up.edges.find(
      ({ to, relation }) => to === pattern && relation === "related-attack-pattern",
    )!.from;
    const down = await traced(technique, { limit: 1_000 });
    const behind = [...sources.patterns].filter(([, { techniques }]) =>
      techniques.some((id) => attack(String(sources.techniques.get(id)?.id)) === technique),
    );
    expect(
      down.edges
        .filter(({ to, relation }) => to === technique && relation === "taxonomy-mapping")
        .map(({ from }) => from)
        .sort(),
    ).toEqual(behind.map(([number]) => capec(number)).sort());
    expect(down.edges).toContainEqual({ from: weak, to: pattern, relation: "related-attack-pattern" });
    expect(down.nodes.map(({ urn }) => urn)).toContain(`v2e::nvd::cve::${LOG4SHELL}`);
  });

  test("the CVEs of a weakness are counted, and come in pages", async () => {
    const expected = lines("nvd/cve-added.ndjson.gz")
      .filter(({ weaknesses }) => JSON.stringify(weaknesses ?? "").includes('"CWE-79"'))
      .map(({ id }) => id)
      .sort();
    const inKev = [...simulator.content("kev")].filter(({ data }) =>
      ((data as JsonObject | undefined)?.cwes as string[])?.includes("CWE-79"),
    );
    const ids: string[] = [];
    for (let after: string | undefined; ; after = ids.at(-1)!) {
      const found = await traced("CWE-79", { limit: 100, ...(after === undefined ? {} : { after }) });
      const page = found.nodes.filter(
        ({ provider, urn }) => provider === "cve" && edgesFrom(found, urn).includes(cwe(79)),
      );
      if (after === undefined) {
        expect(found.more[cwe(79)]).toBeGreaterThanOrEqual(expected.length - 100);
        expect(found.more[cwe(79)]).toBeLessThanOrEqual(expected.length - 100 + inKev.length + 200);
      }
      ids.push(...page.map(({ id }) => id));
      if (page.length < 100) break;
    }
    expect(ids).toEqual(expected);
    expect(expected.length).toBeGreaterThan(200);
  });

  test("ATT&CK's own relationships lead both ways, by any name", async () => {
    const object = sources.techniques.get("T1059.001")!;
    const found = await traced("t1059.001", { limit: 1_000 });
    expect(found.root).toBe(attack(String(object.id)));
    const parent = attack(String(sources.techniques.get("T1059")!.id));
    expect(found.edges).toContainEqual({ from: found.root, to: parent, relation: "subtechnique-of" });
    const { objects } = JSON.parse(read("attack/enterprise-attack-17.1.stix20.json.gz")) as {
      objects: JsonObject[];
    };
    const of = (relation: string) =>
      objects
        .filter((one) => one.relationship_type === relation && one.target_ref === object.id)
        .map((one) => attack(String(one.source_ref)));
    for (const relation of ["uses", "mitigates", "detects"]) {
      const shown = found.edges.filter((edge) => edge.to === found.root && edge.relation === relation);
      expect(shown.map(({ from }) => from).sort()).toEqual([...new Set(of(relation))].sort());
      expect(shown.length).toBeGreaterThan(2);
    }
  });

  test("categories and views have members, and an id that nothing knows is not found", async () => {
    const { Categories } = JSON.parse(read("cwe/rest-api-4.17/categories.json.gz")) as {
      Categories: JsonObject[];
    };
    const category = Categories.find(({ ID }) => ID === "1019")!;
    const found = await traced("CWE-1019");
    const members = (category.Relationships as JsonObject[]).map(({ CweID }) => cwe(String(CweID)));
    expect(edgesFrom(found, cwe(1019), /^HasMember$/).sort()).toEqual([...new Set(members)].sort());
    expect(await uee.engine.records.trace("CWE-4294967")).toBeUndefined();
    expect(await uee.engine.records.trace("nonsense")).toBeUndefined();
    // Only its CVE knows it.
    const unknown = await traced("CWE-99999");
    expect(unknown.nodes.map(({ id, name }) => [id, name])).toContainEqual(["CWE-99999", null]);
    expect(unknown.edges).toContainEqual({
      from: `v2e::nvd::cve::${LOG4SHELL}`,
      to: cwe(99999),
      relation: "secondary-weakness",
    });
  });

  test("the command prints the same as JSON, a tree for people, and says what is not indexed yet", async () => {
    const env = bareEnv({ REDIS_URL: redis.url, UEE_LOG_LEVEL: "silent" });
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [bin, "trace", ...args], { env, encoding: "utf8" });
    expect(JSON.parse(run(LOG4SHELL, "--json"))).toEqual(await traced(LOG4SHELL));
    const text = run(LOG4SHELL);
    expect(text).toContain("→ primary-weakness  CWE-20  Improper Input Validation");
    expect(text).toContain("CWE-99999  not in the mirror");
    await redis.client().hdel(makeKeys("uee").provider("cve").meta, "links");
    expect(await traced("CWE-79")).toMatchObject({ incomplete: ["cve"] });
    const worker = await uee.engine.startWorker();
    await until(async () => (await traced("CWE-79")).incomplete === undefined);
    await worker.stop();
  });
});
