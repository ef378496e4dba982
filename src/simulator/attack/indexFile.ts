/** ATT&CK's index: three collections, each with its versions, newest first, old ones included. */
import { type Domain, domains } from "./model.ts";

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
      id: `x-mitre-collection--0000000${domains.indexOf(domain)}-1111-4222-8333-444444444444`,
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
