// Pairs of feeds at two points in time, as raw records of a provider.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { sharedData } from "./places.mjs";
import { withSimulator } from "./simulator.mjs";

const text = (path) => gunzipSync(readFileSync(join(sharedData, path))).toString("utf8");
const lines = (ndjson) => ndjson.split("\n").filter(Boolean).map(JSON.parse);

const cves = (name) => lines(text(`nvd/${name}.ndjson.gz`));
const cwes = (version) =>
  ["weaknesses", "categories", "views"].flatMap((kind) =>
    Object.values(JSON.parse(text(`cwe/rest-api-${version}/${kind}.json.gz`))).flat(),
  );
const attack = (version) => JSON.parse(text(`attack/enterprise-attack-${version}.stix20.json.gz`)).objects;

/** Each pair: provider's name, a title, and its two sides, read when asked for. */
export function feedPairs({ quick }) {
  if (sharedData && !quick) {
    return [
      {
        provider: "cve",
        title: "CVE `cve-before` → `cve-after`",
        sides: async () => [cves("cve-before"), cves("cve-after")],
      },
      { provider: "cwe", title: "CWE 4.16 → 4.17", sides: async () => [cwes("4.16"), cwes("4.17")] },
      {
        provider: "attack",
        title: "ATT&CK Enterprise 16.1 → 17.1",
        sides: async () => [attack("16.1"), attack("17.1")],
      },
    ];
  }
  return [{ provider: "cve", title: "generated CVEs, before → after", sides: generated }];
}

const generated = () =>
  withSimulator(["--cves", 3_000], async (simulator) => {
    const content = async () => lines(await simulator.content("cve")).map(({ data }) => data);
    const before = await content();
    await simulator.setPoint("after");
    return [before, await content()];
  });
