/**
 * MITRE ATT&CK: every STIX object of the newest Enterprise, Mobile and ICS bundles that the index names, relationships,
 * revoked and deprecated ones included. The bundles' own wrappers are metadata.
 */
import { bounds } from "../../core/bounds.ts";
import type { EditionName } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { parseJsonBytes } from "../../core/json.ts";
import { fingerprint } from "../../core/secrets.ts";
import { JsonArraySplitter, readJsonArrays } from "../formats/jsonArrays.ts";
import { type SnapshotIndex, type SnapshotReading, snapshotProvider } from "../snapshot/provider.ts";
import { domains, editionInBundle, editionNamed, newestBundles, newestTime } from "./collections.ts";
import {
  attackRecord,
  identifyStix,
  labelOfStix,
  laterThan,
  linksOfStix,
  nearAttackIds,
  normalizeStixId,
  preferStix,
  transformStix,
  versionOf,
} from "./record.ts";

function readIndex(document: Buffer): SnapshotIndex {
  const bundles = newestBundles(parseJsonBytes(document));
  const files = domains.map((name) => {
    const { version, modified, url } = bundles[name];
    const changeKey = { version, modified, url: fingerprint(url) };
    return { name, url, edition: editionNamed(bundles[name]), changeKey };
  });
  return { files, date: newestTime(bundles) };
}

/** Returns the edition that the bundle names itself, where it does. */
async function* readBundle(bytes: AsyncIterable<Buffer>): SnapshotReading {
  const splitter = new JsonArraySplitter({ arrays: ["objects"], members: ["type"], id: "id" });
  let edition: EditionName | undefined;
  for await (const elements of readJsonArrays(bytes, splitter)) {
    for (const { source } of elements) edition ??= editionInBundle(source.known);
    yield elements.map(({ source }) => source);
  }
  if (splitter.members.type !== "bundle" || !splitter.arrays.has("objects")) {
    throw new UeeError("PROV_WRONG_SHAPE", "The file is not a STIX bundle.");
  }
  return edition;
}

export const attack = snapshotProvider<string | null>({
  name: "attack",
  authority: "mitre",
  version: 1,
  upstream: {
    defaultUrl: "https://raw.githubusercontent.com/mitre-attack/attack-stix-data/master/index.json",
    urlEnv: "UEE_ATTACK_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  title: "ATT&CK",
  expected: { records: 30_000, bytesPerRecord: 1_550 },
  example: {
    id: "T1059.001",
    record: {
      type: "tool",
      id: "tool--01a5a209-b94c-450b-b7f9-946497d91055",
      modified: "2025-04-25T14:42:00.000Z",
      external_references: [{ source_name: "mitre-attack", external_id: "S0001" }],
    },
  },
  record: attackRecord,
  maxBytes: bounds.documentBytes,
  expect: "json",
  index: readIndex,
  read: readBundle,
  transform: transformStix,
  identify: identifyStix,
  normalizeId: normalizeStixId,
  preferAlias: preferStix,
  links: linksOfStix,
  label: labelOfStix,
  hasNames: true,
  nearIds: nearAttackIds,
  // Domains come in order of precedence, so a later copy must be newer to stand, not just as new.
  versionOf,
  supersedes: laterThan,
});
