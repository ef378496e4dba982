/** ATT&CK: `/attack/index.json` and the version-pinned bundles it names, generated or real. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { breakJson } from "../faults/badRecord.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import { corruptJson } from "../http/corrupt.ts";
import { type Reply, reply } from "../http/reply.ts";
import { SnapshotEntries } from "../snapshot/entries.ts";
import { type StaticFile, serveFile, staticFile } from "../snapshot/files.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry, Point } from "../types.ts";
import { byText, type SimRequest, type SimulatedUpstream } from "../upstream.ts";
import { attackIndex, collectionIds } from "./indexFile.ts";
import { type Domain, domains, domainsOf, makeStix, stixId } from "./model.ts";

export const ATTACK_INDEX = "/attack/index.json";

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

export interface AttackOptions {
  seed: number;
  count: number;
  now: number;
  point: Point;
  injector: Injector;
  sharedData: string | undefined;
}

export class AttackUpstream implements SimulatedUpstream {
  readonly #options: AttackOptions;
  readonly #entries: SnapshotEntries;
  #point: Point;
  #files = new Map<string, StaticFile>();
  /** Bundles of the release before the present one stay at their address. */
  #oldBundles = new Map<string, StaticFile>();

  constructor(options: AttackOptions) {
    this.#options = options;
    this.#point = options.point;
    this.#entries = new SnapshotEntries({
      seed: options.seed,
      count: options.sharedData === undefined ? options.count : 0,
      point: options.point,
      idOf: (slot) => stixId(options.seed, slot),
    });
  }

  #version(domain: Domain): string {
    if (this.#options.sharedData !== undefined) return real[this.#point][domain].version;
    return `18.${this.#entries.release + 1}`;
  }

  get #releasedAt(): number {
    const { now, sharedData } = this.#options;
    if (sharedData !== undefined) return Date.UTC(this.#point === "before" ? 2024 : 2025, 10, 12, 14);
    return now - (90 - this.#entries.release) * 86_400_000;
  }

  #path(domain: Domain): string {
    return `/attack/${domain}-attack/${domain}-attack-${this.#version(domain)}.json`;
  }

  reply({ path, headers, origin }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path === ATTACK_INDEX) {
      const missing = drawn.take("index-missing-domain", "ics");
      const file = missing === undefined ? this.#index(origin) : this.#index(origin, missing);
      return corruptJson(serveFile(file, headers), drawn);
    }
    const domain = domains.find((one) => this.#path(one) === path);
    if (!domain) {
      const old = this.#oldBundles.get(path);
      return old && serveFile(old, headers);
    }
    if (drawn.take("bundle-missing") !== undefined)
      return reply(404, { "content-type": "text/plain" }, "404: Not Found");
    return corruptJson(serveFile(this.#bundle(domain), headers), drawn);
  }

  #index(origin: string, without?: string): StaticFile {
    const text = attackIndex({
      releasedAt: this.#releasedAt,
      bundles: domains
        .filter((domain) => domain !== without)
        .map((domain) => ({ domain, version: this.#version(domain), url: `${origin}${this.#path(domain)}` })),
      urlOf: (domain, version) => `${origin}/attack/${domain}-attack/${domain}-attack-${version}.json`,
    });
    return staticFile(Buffer.from(text), "application/json", this.#releasedAt);
  }

  #bundle(domain: Domain): StaticFile {
    const { injector, sharedData, seed } = this.#options;
    const isBad = injector.badRecords("attack");
    const key = `${this.#path(domain)} ${isBad ? injector.generation : ""}`;
    const known = this.#files.get(key);
    if (known && !isBad) return known;
    if (sharedData !== undefined && !isBad) {
      const file = staticFile(this.#sharedBytes(domain), "text/plain; charset=utf-8", this.#releasedAt);
      this.#files.set(key, file);
      return file;
    }
    let bad = 0;
    const objects = this.#objects(domain).map((object) => {
      const text = JSON.stringify(object);
      const kind = isBad?.(String(object.id));
      if (!kind) return text;
      bad += 1;
      return breakJson(text, kind, { id: "id", list: "external_references" });
    });
    injector.count("bad-record", bad);
    const collection = this.#collection(domain, objects.length);
    const id = `bundle--00000000-0000-4000-8000-${String(seed).padStart(12, "0").slice(-12)}`;
    const body = `{"type":"bundle","id":"${id}","objects":[\n${[...collection, ...objects].join(",\n")}\n]}`;
    const file = staticFile(Buffer.from(body), "text/plain; charset=utf-8", this.#releasedAt);
    this.#files.set(key, file);
    return file;
  }

  /** Generated bundles begin with the collection object, which is a record like the others. */
  #collection(domain: Domain, objects: number): string[] {
    return this.#options.sharedData === undefined
      ? [JSON.stringify(this.#collectionObject(domain, objects))]
      : [];
  }

  #collectionObject(domain: Domain, objects: number): JsonObject {
    return {
      type: "x-mitre-collection",
      id: collectionIds[domain],
      spec_version: "2.1",
      name: `${domain} ATT&CK`,
      x_mitre_version: this.#version(domain),
      created: "2018-01-17T12:56:55.080Z",
      modified: new Date(this.#releasedAt).toISOString(),
      x_mitre_contents: [{ object_ref: "counted", objects }],
    };
  }

  #sharedBytes(domain: Domain): Buffer {
    const { version, stix } = real[this.#point][domain];
    const path = join(
      this.#options.sharedData ?? "",
      "attack",
      `${domain}-attack-${version}.${stix}.json.gz`,
    );
    try {
      return gunzipSync(readFileSync(path));
    } catch (cause) {
      throw new UeeError("SYS_DISK", `The simulator cannot read ${path}.`, { cause });
    }
  }

  #objects(domain: Domain): JsonObject[] {
    const { seed, sharedData, count } = this.#options;
    if (sharedData !== undefined)
      return (JSON.parse(this.#sharedBytes(domain).toString("utf8")) as { objects: JsonObject[] }).objects;
    return [...this.#entries.live()]
      .filter(({ slot }) => domainsOf(seed, slot).includes(domain))
      .map(({ slot, edition }) => makeStix(seed, slot, edition, domain, count));
  }

  /** One object per STIX id: the greatest `modified`; of equals the first domain's. */
  #all(): { id: string; data: JsonObject }[] {
    const found = new Map<string, JsonObject>();
    for (const domain of domains) {
      const objects = this.#objects(domain);
      const { sharedData } = this.#options;
      const all =
        sharedData === undefined ? [this.#collectionObject(domain, objects.length), ...objects] : objects;
      for (const object of all) {
        const known = found.get(String(object.id));
        if (!known || version(object) > version(known)) found.set(String(object.id), object);
      }
    }
    return [...found].map(([id, data]) => ({ id, data })).sort((a, b) => byText(a.id, b.id));
  }

  #keepOld(): void {
    this.#oldBundles = new Map();
    if (this.#options.sharedData === undefined)
      for (const domain of domains) this.#oldBundles.set(this.#path(domain), this.#bundle(domain));
    this.#files = new Map();
  }

  setPoint(point: Point): ChangeReport {
    if (this.#options.sharedData === undefined) {
      this.#keepOld();
      this.#point = point;
      return this.#entries.setPoint(point);
    }
    const report: ChangeReport = { added: [], modified: [], rejected: [], silent: [], removed: [] };
    const old = new Map(this.#all().map(({ id, data }) => [id, JSON.stringify(data)]));
    this.#files = new Map();
    this.#point = point;
    for (const { id, data } of this.#all()) {
      const was = old.get(id);
      old.delete(id);
      if (was === undefined) report.added.push(id);
      else if (was !== JSON.stringify(data)) report.modified.push(id);
    }
    report.removed.push(...old.keys());
    return report;
  }

  mutate(change: Change): ChangeReport {
    if (this.#options.sharedData !== undefined)
      throw new UeeError("API_BAD_INPUT", "Real ATT&CK data knows two points in time and no other changes.");
    this.#keepOld();
    return this.#entries.mutate(change);
  }

  *content(): Generator<ContentEntry> {
    yield* this.#all();
  }

  *contentLines(): Generator<string> {
    for (const entry of this.#all()) yield JSON.stringify(entry);
  }

  badRecords(): BadRecord[] {
    const isBad = this.#options.injector.badRecords("attack");
    if (!isBad) return [];
    return this.#all().flatMap(({ id }) => {
      const kind = id.startsWith("x-mitre-collection--") ? undefined : isBad(id);
      return kind ? [{ id, kind }] : [];
    });
  }
}

/** ms; marking definitions have no `modified`. */
const version = (object: JsonObject): number => Date.parse(String(object.modified ?? object.created)) || 0;
