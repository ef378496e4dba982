/** The simulator's writer varies what XML leaves open: CDATA, character references, comments, quotes, empty tags. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { capec } from "../../../src/providers/capec/capec.ts";
import type { AnyProvider } from "../../../src/providers/contract.ts";
import { cwe } from "../../../src/providers/cwe/cwe.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { factsOfData, factsOfNode, parseTree } from "../../support/xmlFacts.ts";
import { fakeUpstream, runSnapshot } from "./support.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({});
});
afterAll(async () => {
  await simulator.close();
});

const load = async (provider: AnyProvider, url: string) => {
  const body = Buffer.from(await (await fetch(url)).arrayBuffer());
  const { records } = await runSnapshot(provider, fakeUpstream({ [url]: { body } }));
  return new Map(records.map((raw) => [provider.identify(raw), raw]));
};

test.each(["cweXml", "cweZip", "capec"] as const)(
  "Every element, attribute and text of the simulator's %s is in the records, and nothing else",
  async (name) => {
    const provider = name === "capec" ? capec : cwe;
    const records = await load(provider, simulator.urls[name]);
    const entries = [...simulator.content(name === "capec" ? "capec" : "cwe")];
    expect(records.size).toBe(entries.length);
    expect(entries.length).toBeGreaterThan(100);
    for (const { id, xml } of entries) {
      expect(factsOfData(records.get(id)).sort()).toEqual(factsOfNode(parseTree(xml!)).sort());
    }
  },
);
