/** ATT&CK's index of collections: which bundle of each domain is the newest. */

import { compareEditionVersions, type EditionName, editionOf } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { isObject, type JsonObject } from "../../core/json.ts";
import { parseTime } from "../../core/time.ts";

/** In the order of precedence: of equally new copies of an object the first domain's stands. */
export const domains = ["enterprise", "mobile", "ics"] as const;
export type Domain = (typeof domains)[number];

/** MITRE's ids of its own collections: other publishers may use the same names and addresses. */
const collectionIds: Record<Domain, string> = {
  enterprise: "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019",
  mobile: "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858",
  ics: "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09",
};

export interface BundleVersion {
  version: string;
  /** As it came; empty when the index has none. */
  modified: string;
  /** As it came: absolute, or relative to the index. */
  url: string;
}

export type NewestBundles = Record<Domain, BundleVersion>;

/**
 * Collections of other ids are left alone, whatever they are called. Throws PROV_WRONG_SHAPE, naming each of the three
 * that is not there: a mirror of only some of them would remove the others' records.
 */
export function newestBundles(index: unknown): NewestBundles {
  if (!isObject(index) || !Array.isArray(index.collections)) {
    throw new UeeError("PROV_WRONG_SHAPE", "The index has no list of collections.");
  }
  const newest: Partial<NewestBundles> = {};
  for (const collection of index.collections) {
    if (!isObject(collection) || !Array.isArray(collection.versions)) continue;
    const id = typeof collection.id === "string" ? collection.id.trim().toLowerCase() : "";
    const domain = domains.find((one) => collectionIds[one] === id);
    if (!domain) continue;
    for (const entry of collection.versions) {
      const bundle = readVersion(entry);
      const known = newest[domain];
      if (bundle && (!known || isNewer(bundle, known))) newest[domain] = bundle;
    }
  }
  const missing = domains.filter((domain) => !newest[domain]);
  if (missing.length > 0) {
    const named = missing.map((domain) => `${domain} (${collectionIds[domain]})`).join(", ");
    throw new UeeError("PROV_WRONG_SHAPE", `The index has no collection with a version for ${named}.`);
  }
  return newest as NewestBundles;
}

/** The greatest time the index gives its newest bundles; undefined when it gives none. */
export function newestTime(bundles: NewestBundles): string | undefined {
  return domains
    .map((domain) => bundles[domain].modified)
    .filter((text) => parseTime(text) !== undefined)
    .sort((a, b) => parseTime(b)! - parseTime(a)!)[0];
}

function readVersion(entry: unknown): BundleVersion | undefined {
  if (!isObject(entry) || typeof entry.url !== "string") return undefined;
  const { version, modified, url } = entry as JsonObject & { url: string };
  if (!URL.canParse(url, "http://index/")) return undefined;
  return {
    version: typeof version === "string" || typeof version === "number" ? String(version) : "",
    modified: typeof modified === "string" ? modified : "",
    url,
  };
}

/** By time, then by version number; the index's own order says nothing. */
function isNewer(a: BundleVersion, b: BundleVersion): boolean {
  const [timeA, timeB] = [parseTime(a.modified) ?? 0, parseTime(b.modified) ?? 0];
  return timeA === timeB ? (compareEditionVersions(a.version, b.version) ?? 0) > 0 : timeA > timeB;
}

/** The edition that the index names. */
export const editionNamed = ({ version, modified }: BundleVersion): EditionName =>
  editionOf({ version, date: modified });

/** The edition that a bundle names itself, in its collection object; undefined for every other object. */
export function editionInBundle(object: unknown): EditionName | undefined {
  if (!isObject(object) || object.type !== "x-mitre-collection") return undefined;
  return editionOf({ version: object.x_mitre_version, date: object.modified });
}
