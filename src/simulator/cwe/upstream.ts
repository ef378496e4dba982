/** MITRE's CWE: the zip, the XML and a JSON catalogue of the REST API's shape, all of one content. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { breakJson, breakXml } from "../faults/badRecord.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import { corruptJson, corruptXml } from "../http/corrupt.ts";
import { type Reply, reply } from "../http/reply.ts";
import { SnapshotEntries } from "../snapshot/entries.ts";
import { type StaticFile, serveFile, staticFile } from "../snapshot/files.ts";
import { type BrokenZip, brokenZip, brokenZipKinds, zip, zipBomb } from "../snapshot/zip.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry, Point } from "../types.ts";
import { byText, type SimRequest, type SimulatedUpstream } from "../upstream.ts";
import { cweJson } from "./json.ts";
import { cweNumber, makeCwe } from "./model.ts";
import { cweHead, cweTail, cweXml } from "./xml.ts";

export const CWE_ZIP = "/data/xml/cwec_latest.xml.zip";
export const CWE_XML = "/data/xml/cwec_latest.xml";
export const CWE_JSON = "/cwe.json";
const arrays = ["Weaknesses", "Categories", "Views"] as const;
const shape = { id: "ID", list: "ContentHistory" };
type Catalogue = Record<(typeof arrays)[number], JsonObject[]>;

export interface CweOptions {
  seed: number;
  count: number;
  now: number;
  point: Point;
  injector: Injector;
  /** Folder of real feeds: then only the JSON catalogue is served. */
  sharedData: string | undefined;
}

export class CweUpstream implements SimulatedUpstream {
  readonly #options: CweOptions;
  readonly #entries: SnapshotEntries;
  #point: Point;
  #files = new Map<string, StaticFile>();
  #brokenZips = 0;

  constructor(options: CweOptions) {
    this.#options = options;
    this.#point = options.point;
    this.#entries = new SnapshotEntries({
      seed: options.seed,
      count: options.sharedData === undefined ? options.count : 0,
      point: options.point,
      idOf: (slot) => `CWE-${cweNumber(options.seed, slot)}`,
    });
  }

  /** Real 4.16 and 4.17; generated 4.18, 4.19, … */
  get #version(): string {
    if (this.#options.sharedData !== undefined) return this.#point === "before" ? "4.16" : "4.17";
    return `4.${18 + this.#entries.release}`;
  }

  get #changedAt(): number {
    return (
      this.#options.now -
      40 * 86_400_000 +
      this.#entries.release * 86_400_000 +
      (this.#point === "after" ? 1_000 : 0)
    );
  }

  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path === CWE_JSON || path === CWE_XML || path === CWE_ZIP)
      this.#options.injector.count("bad-record", this.badRecords().length);
    if (path === CWE_JSON) return corruptJson(serveFile(this.#json(), headers), drawn);
    if (path !== CWE_XML && path !== CWE_ZIP) return undefined;
    if (this.#options.sharedData !== undefined) return undefined;
    const broken = path === CWE_ZIP ? this.#brokenZip(drawn) : undefined;
    if (broken) return reply(200, { "content-type": "application/zip" }, broken);
    const corrupt = corruptXml(this.#file(CWE_XML).body, drawn);
    if (!corrupt) return serveFile(this.#file(path), headers);
    return path === CWE_XML
      ? reply(200, { "content-type": "text/xml" }, corrupt)
      : reply(200, { "content-type": "application/zip" }, zip({ name: this.#zipName(), data: corrupt }));
  }

  #zipName(): string {
    return `cwec_v${this.#version}.xml`;
  }

  #brokenZip(drawn: Drawn): Buffer | undefined {
    const bomb = drawn.take("zip-bomb", "2048");
    if (bomb !== undefined)
      return zipBomb(
        Number(bomb) || 2_048,
        this.#zipName(),
        cweHead(this.#version, "2026-01-01"),
        "</Weakness_Catalog>",
      );
    const asked = drawn.take("bad-zip", "");
    if (asked === undefined) return undefined;
    const kind =
      brokenZipKinds.find((one) => one === asked) ??
      brokenZipKinds[this.#brokenZips++ % brokenZipKinds.length]!;
    return brokenZip(kind satisfies BrokenZip, { name: this.#zipName(), data: this.#file(CWE_XML).body });
  }

  #file(path: string): StaticFile {
    const key = `${path} ${this.#options.injector.generation}`;
    const known = this.#files.get(key);
    if (known) return known;
    const made =
      path === CWE_XML
        ? staticFile(Buffer.from(this.#xml()), "text/xml", this.#changedAt)
        : staticFile(
            zip({ name: this.#zipName(), data: this.#file(CWE_XML).body }),
            "application/zip",
            this.#changedAt,
          );
    this.#files.set(key, made);
    return made;
  }

  #xml(): string {
    const { seed } = this.#options;
    const isBad = this.#options.injector.badRecords("cwe");
    const groups = { weakness: "", category: "", view: "" };
    for (const { slot, edition } of this.#entries.live()) {
      const entry = makeCwe(seed, slot, edition);
      const kind = isBad?.(`CWE-${entry.number}`);
      const xml = cweXml(seed, entry);
      groups[entry.kind] += kind ? breakXml(xml, kind) : xml;
    }
    const date = new Date(this.#changedAt).toISOString().slice(0, 10);
    return (
      cweHead(this.#version, date) +
      `   <Weaknesses>\n${groups.weakness}   </Weaknesses>\n   <Categories>\n${groups.category}   </Categories>\n` +
      `   <Views>\n${groups.view}   </Views>\n${cweTail}`
    );
  }

  #json(): StaticFile {
    const { injector } = this.#options;
    const key = `${CWE_JSON} ${injector.generation}`;
    const known = this.#files.get(key);
    const isBad = injector.badRecords("cwe");
    if (known) return known;
    const catalogue = this.#catalogue();
    const body = arrays.map((name) => {
      const items = catalogue[name].map((entry) => {
        const kind = isBad?.(`CWE-${entry.ID}`);
        return kind ? breakJson(JSON.stringify(entry), kind, shape) : JSON.stringify(entry);
      });
      return `${JSON.stringify(name)}:[${items.join(",")}]`;
    });
    const date = new Date(this.#changedAt).toISOString().slice(0, 10);
    const text = `{"ContentVersion":"${this.#version}","ContentDate":"${date}",${body.join(",")}}`;
    const file = staticFile(Buffer.from(text), "application/json", this.#changedAt);
    this.#files.set(key, file);
    return file;
  }

  #catalogue(): Catalogue {
    const catalogue: Catalogue = { Weaknesses: [], Categories: [], Views: [] };
    const { seed, sharedData } = this.#options;
    if (sharedData !== undefined) {
      for (const name of arrays) catalogue[name] = readShared(sharedData, this.#version, name);
      return catalogue;
    }
    for (const { slot, edition } of this.#entries.live()) {
      const entry = makeCwe(seed, slot, edition);
      const name =
        entry.kind === "weakness" ? "Weaknesses" : entry.kind === "category" ? "Categories" : "Views";
      catalogue[name].push(cweJson(entry) as JsonObject);
    }
    return catalogue;
  }

  #all(): { id: string; data: JsonObject }[] {
    const catalogue = this.#catalogue();
    return arrays
      .flatMap((name) => catalogue[name])
      .map((data) => ({ id: `CWE-${String(data.ID)}`, data }))
      .sort((a, b) => byText(a.id, b.id));
  }

  setPoint(point: Point): ChangeReport {
    const before = this.#options.sharedData === undefined ? [] : this.#all();
    this.#point = point;
    this.#files.clear();
    const report = this.#entries.setPoint(point);
    return this.#options.sharedData === undefined ? report : compareShared(before, this.#all(), report);
  }

  mutate(change: Change): ChangeReport {
    if (this.#options.sharedData !== undefined)
      throw new UeeError("API_BAD_INPUT", "Real CWE data knows two points in time and no other changes.");
    this.#files.clear();
    return this.#entries.mutate(change);
  }

  *content(): Generator<ContentEntry> {
    const { seed, sharedData } = this.#options;
    const xml = new Map<string, string>();
    if (sharedData === undefined)
      for (const { slot, edition } of this.#entries.live()) {
        const entry = makeCwe(seed, slot, edition);
        xml.set(`CWE-${entry.number}`, cweXml(seed, entry).trim());
      }
    for (const { id, data } of this.#all()) yield { id, data, ...(xml.has(id) ? { xml: xml.get(id)! } : {}) };
  }

  *contentLines(): Generator<string> {
    for (const entry of this.content()) yield JSON.stringify(entry);
  }

  badRecords(): BadRecord[] {
    const isBad = this.#options.injector.badRecords("cwe");
    if (!isBad) return [];
    return this.#all().flatMap(({ id }) => {
      const kind = isBad(id);
      return kind ? [{ id, kind }] : [];
    });
  }
}

function readShared(folder: string, version: string, name: (typeof arrays)[number]): JsonObject[] {
  const path = join(folder, "cwe", `rest-api-${version}`, `${name.toLowerCase()}.json.gz`);
  try {
    return (JSON.parse(gunzipSync(readFileSync(path)).toString("utf8")) as Catalogue)[name];
  } catch (cause) {
    throw new UeeError("SYS_DISK", `The simulator cannot read ${path}.`, { cause });
  }
}

function compareShared(
  before: { id: string; data: JsonObject }[],
  after: { id: string; data: JsonObject }[],
  report: ChangeReport,
): ChangeReport {
  const old = new Map(before.map(({ id, data }) => [id, JSON.stringify(data)]));
  for (const { id, data } of after) {
    const was = old.get(id);
    old.delete(id);
    if (was === undefined) report.added.push(id);
    else if (was !== JSON.stringify(data)) report.modified.push(id);
  }
  report.removed.push(...old.keys());
  return report;
}
