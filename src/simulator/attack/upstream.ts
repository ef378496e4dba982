/** ATT&CK: `/attack/index.json` and the version-pinned bundles it names, generated or real. */
import type { JsonObject } from "../../core/json.ts";
import { corruptJson } from "../faults/content.ts";
import type { Drawn } from "../faults/injector.ts";
import { type Reply, reply } from "../http/reply.ts";
import { type StaticFile, serveFile, staticFile } from "../snapshot/files.ts";
import { SnapshotUpstream } from "../snapshot/upstream.ts";
import type { ContentEntry, Point } from "../types.ts";
import type { SimRequest } from "../upstream.ts";
import { type Domain, domains, domainsOf, makeStix } from "./model.ts";

export const ATTACK_INDEX = "/attack/index.json";
const BUNDLE = "text/plain; charset=utf-8";
/** MITRE's own. */
const collections: Record<Domain, { id: string; name: string }> = {
  enterprise: { id: "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019", name: "Enterprise ATT&CK" },
  mobile: { id: "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858", name: "Mobile ATT&CK" },
  ics: { id: "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09", name: "ICS ATT&CK" },
};
const created = "2018-01-17T12:56:55.080Z";
/** Sorted as text these would come out wrong. */
const oldVersions = ["10.1", "9.0", "8.2"] as const;

const real: Record<Point, Record<Domain, { version: string; stix: string }>> = {
  before: {
    enterprise: { version: "16.1", stix: "stix20" },
    mobile: { version: "14.1", stix: "stix21" },
    ics: { version: "16.1", stix: "stix21" },
  },
  after: {
    enterprise: { version: "17.1", stix: "stix20" },
    mobile: { version: "17.1", stix: "stix21" },
    ics: { version: "17.1", stix: "stix21" },
  },
};

export class AttackUpstream extends SnapshotUpstream {
  #version(domain: Domain): string {
    return this.options.sharedData === undefined
      ? `18.${this.entries.release + 1}`
      : real[this.point][domain].version;
  }

  protected override get releasedAt(): number {
    const { now, sharedData } = this.options;
    if (sharedData !== undefined) return Date.UTC(this.point === "before" ? 2024 : 2025, 10, 12, 14);
    return now - (90 - this.entries.release) * 86_400_000;
  }

  #path(domain: Domain, version = this.#version(domain)): string {
    return `/attack/${domain}-attack/${domain}-attack-${version}.json`;
  }

  reply({ path, headers, origin }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path === ATTACK_INDEX) {
      const file = this.#index(origin, drawn.take("index-missing-domain", "ics"));
      return corruptJson(serveFile(file, headers), drawn);
    }
    const domain = domains.find((one) => this.#path(one) === path);
    if (!domain) {
      const old = this.older.get(path);
      return old && serveFile(old, headers);
    }
    if (drawn.take("bundle-missing") !== undefined)
      return reply(404, { "content-type": "text/plain" }, "404: Not Found");
    const isBad = this.isBad();
    if (isBad) {
      const broken = this.#objects(domain).filter(({ id }) => isBad(String(id)));
      this.options.injector.count("bad-record", broken.length);
    }
    return corruptJson(serveFile(this.#bundle(domain), headers), drawn);
  }

  /** Three collections, each with its versions, newest first, old ones included. */
  #index(origin: string, without?: string): StaticFile {
    const modified = new Date(this.releasedAt).toISOString();
    const index = {
      id: "10296992-f12b-4a1c-8c5b-1d0d9a1e0a2b",
      name: "MITRE ATT&CK",
      description: "A collection of collections.",
      created,
      modified,
      collections: domains
        .filter((domain) => domain !== without)
        .map((domain) => ({
          ...collections[domain],
          description: "ATT&CK objects of one domain.",
          created,
          versions: [
            { version: this.#version(domain), url: `${origin}${this.#path(domain)}`, modified },
            ...oldVersions.map((version, i) => ({
              version,
              url: `${origin}${this.#path(domain, version)}`,
              modified: `20${21 - i}-04-29T14:00:00.000Z`,
            })),
          ],
        })),
    };
    return staticFile(Buffer.from(JSON.stringify(index)), "application/json", this.releasedAt);
  }

  #bundle(domain: Domain): StaticFile {
    return this.file(this.#path(domain), BUNDLE, () => {
      if (this.options.sharedData !== undefined && !this.isBad()) return this.#realBytes(domain);
      const texts = this.jsonTexts(this.#objects(domain), { id: "id", list: "external_references" });
      const id = `bundle--00000000-0000-4000-8000-${String(this.options.seed).padStart(12, "0").slice(-12)}`;
      // Generated bundles begin with the collection object, which is a record like the others.
      const all = [...this.#collection(domain).map((one) => JSON.stringify(one)), ...texts];
      return `{"type":"bundle","id":"${id}","objects":[\n${all.join(",\n")}\n]}`;
    });
  }

  #collection(domain: Domain): JsonObject[] {
    if (this.options.sharedData !== undefined) return [];
    return [
      {
        type: "x-mitre-collection",
        ...collections[domain],
        spec_version: "2.1",
        x_mitre_version: this.#version(domain),
        created,
        modified: new Date(this.releasedAt).toISOString(),
        x_mitre_contents: [{ object_ref: "counted", objects: this.#objects(domain).length }],
      },
    ];
  }

  #realBytes(domain: Domain): Buffer {
    const { version, stix } = real[this.point][domain];
    return this.shared("attack", `${domain}-attack-${version}.${stix}.json.gz`);
  }

  #objects(domain: Domain): JsonObject[] {
    const { seed, sharedData } = this.options;
    if (sharedData !== undefined)
      return (JSON.parse(this.#realBytes(domain).toString("utf8")) as { objects: JsonObject[] }).objects;
    return [...this.entries.live()]
      .filter(({ slot }) => domainsOf(seed, slot).includes(domain))
      .map(({ slot, edition }) => makeStix(seed, slot, edition, domain, this.count));
  }

  /** One object per STIX id: the greatest `modified`; among equals that of the first domain. */
  protected *records(): Generator<ContentEntry> {
    const found = new Map<string, JsonObject>();
    for (const domain of domains) {
      for (const object of [...this.#collection(domain), ...this.#objects(domain)]) {
        const known = found.get(String(object.id));
        if (!known || version(object) > version(known)) found.set(String(object.id), object);
      }
    }
    for (const [id, data] of found) yield { id, data };
  }

  protected override *breakable(): Generator<{ id: string }> {
    for (const entry of this.content()) if (!entry.id.startsWith("x-mitre-collection--")) yield entry;
  }

  /** Bundles stay at their address for one release more. */
  protected *kept(): Generator<[string, StaticFile]> {
    if (this.options.sharedData !== undefined) return;
    for (const domain of domains) yield [this.#path(domain), this.#bundle(domain)];
  }
}

/** ms; marking definitions have no `modified`. */
const version = (object: JsonObject): number => Date.parse(String(object.modified ?? object.created)) || 0;
