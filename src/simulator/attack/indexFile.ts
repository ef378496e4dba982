/** ATT&CK's index: three collections, each with its versions, newest first, old ones included. */
import type { Domain } from "./model.ts";

/** MITRE's own. */
export const collectionIds: Record<Domain, string> = {
  enterprise: "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019",
  mobile: "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858",
  ics: "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09",
};

export interface IndexInput {
  releasedAt: number;
  bundles: { domain: Domain; version: string; url: string }[];
  urlOf: (domain: Domain, version: string) => string;
}

/** Sorted as text these would come out wrong. */
const oldVersions = ["10.1", "9.0", "8.2"] as const;

export function attackIndex({ releasedAt, bundles, urlOf }: IndexInput): string {
  return JSON.stringify({
    id: "10296992-f12b-4a1c-8c5b-1d0d9a1e0a2b",
    name: "MITRE ATT&CK",
    description: "A collection of collections.",
    created: "2018-01-17T12:56:55.080Z",
    modified: new Date(releasedAt).toISOString(),
    collections: bundles.map(({ domain, version, url }) => ({
      id: collectionIds[domain],
      name: `${domain === "ics" ? "ICS" : domain[0]!.toUpperCase() + domain.slice(1)} ATT&CK`,
      description: "ATT&CK objects of one domain.",
      created: "2018-01-17T12:56:55.080Z",
      versions: [
        { version, url, modified: new Date(releasedAt).toISOString() },
        ...oldVersions.map((old, i) => ({
          version: old,
          url: urlOf(domain, old),
          modified: `20${21 - i}-04-29T14:00:00.000Z`,
        })),
      ],
    })),
  });
}
