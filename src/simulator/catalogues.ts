/**
 * MITRE's CWE (zip, XML and a JSON catalogue of the REST API's shape, all of one content) and CAPEC (XML). Generated entries are
 * those of a fixture under ids of their own. XML leaves much open (CDATA, character references, comments, quotes, empty tags);
 * the fixtures use it all, because readers must not care.
 */
import type { JsonObject } from "../core/json.ts";
import { breakXml, corruptJson, corruptXml } from "./faults/content.ts";
import type { Drawn } from "./faults/injector.ts";
import { fixture } from "./fixtures.ts";
import { type Reply, reply } from "./http/reply.ts";
import { hashText, mix } from "./random.ts";
import { type StaticFile, serveFile } from "./snapshot/files.ts";
import { SnapshotUpstream } from "./snapshot/upstream.ts";
import { brokenZip, brokenZipKinds, zip, zipBomb } from "./snapshot/zip.ts";
import type { ContentEntry } from "./types.ts";
import type { SimRequest } from "./upstream.ts";

export const CWE_ZIP = "/data/xml/cwec_latest.xml.zip";
export const CWE_XML = "/data/xml/cwec_latest.xml";
export const CWE_JSON = "/cwe.json";
export const CAPEC_XML = "/data/xml/capec_latest.xml";

export interface CatalogueEntry {
  id: string;
  kind: string;
  /** The element, verbatim. */
  xml: string;
  /** CWE only. */
  json: JsonObject;
}

/** `{ID}` stands for the number, `{EDITION}` for what later editions add to one text. */
type Template = Omit<CatalogueEntry, "id">;

/** Entries of one catalogue. All kinds share one number space, with gaps. */
class CatalogueModel {
  readonly #prefix: string;
  /** The element of each kind's list, in the order of the catalogue. */
  readonly lists: readonly (readonly [kind: string, list: string])[];
  readonly #step: number;
  readonly #salt: number;
  readonly #templates = new Map<string, Template[]>();
  /** Kinds as often as they are among 24 entries. */
  readonly #drawn: readonly string[];

  constructor(name: string, kinds: readonly { kind: string; list: string; of24: number }[], step: number) {
    this.#prefix = name.toUpperCase();
    this.lists = kinds.map(({ kind, list }) => [kind, list]);
    this.#step = step;
    this.#salt = hashText(name);
    this.#drawn = kinds.flatMap(({ kind, of24 }) => new Array<string>(of24).fill(kind));
    for (const template of fixture<Template>(name))
      this.#templates.set(template.kind, [...(this.#templates.get(template.kind) ?? []), template]);
  }

  id(seed: number, slot: number): string {
    return `${this.#prefix}-${1 + slot * this.#step + (mix(seed, slot, this.#salt) % this.#step)}`;
  }

  /** The same (seed, slot, edition) is the same entry; editions differ in one text. */
  entry(seed: number, slot: number, edition: number): CatalogueEntry {
    const dice = mix(seed, slot, this.#salt + 1);
    // The first three are one of each, so that even the smallest catalogue has all kinds.
    const kind = slot < 3 ? this.lists[slot]![0] : this.#drawn[dice % 24]!;
    const templates = this.#templates.get(kind)!;
    const template = templates[(dice >>> 8) % templates.length]!;
    const id = this.id(seed, slot);
    const fill = (text: string): string =>
      text
        .replaceAll("{ID}", id.slice(this.#prefix.length + 1))
        .replaceAll("{EDITION}", edition > 1 ? ` Revised in edition ${edition}.` : "");
    return {
      id,
      kind,
      xml: fill(template.xml),
      json: JSON.parse(fill(JSON.stringify(template.json ?? {}))) as JsonObject,
    };
  }
}

export const cweModel = new CatalogueModel(
  "cwe",
  [
    { kind: "Weakness", list: "Weaknesses", of24: 16 },
    { kind: "Category", list: "Categories", of24: 7 },
    { kind: "View", list: "Views", of24: 1 },
  ],
  3,
);
export const capecModel = new CatalogueModel(
  "capec",
  [
    { kind: "Attack_Pattern", list: "Attack_Patterns", of24: 20 },
    { kind: "Category", list: "Categories", of24: 3 },
    { kind: "View", list: "Views", of24: 1 },
  ],
  2,
);

abstract class CatalogueUpstream extends SnapshotUpstream {
  protected abstract readonly model: CatalogueModel;

  protected generated(): CatalogueEntry[] {
    return Array.from(this.entries.live(), ({ slot, edition }) =>
      this.model.entry(this.options.seed, slot, edition),
    );
  }

  protected get date(): string {
    return new Date(this.releasedAt).toISOString().slice(0, 10);
  }

  /** The whole document. `root` has the attributes that are the catalogue's own. */
  protected document(root: string, attributes: string): string {
    const isBad = this.isBad();
    const entries = this.generated();
    const lists = this.model.lists.map(([kind, list]) => {
      const elements = entries
        .filter((entry) => entry.kind === kind)
        .map(({ id, xml }) => {
          const bad = isBad?.(id);
          return bad ? breakXml(xml, bad) : xml;
        });
      return `<${list}>\n${elements.join("\n")}\n</${list}>\n`;
    });
    // Catalogue references are metadata, no records.
    return `${documentHead(root, attributes)}${lists.join("")}<External_References>
<External_Reference Reference_ID="REF-1">
<Author>A. Author</Author>
<Author>B. Author</Author>
<Title>Writing Secure Code &amp; more</Title>
<URL>https://example.org/?a=1&amp;b=2</URL>
</External_Reference>
</External_References>
</${root}>
`;
  }

  protected *kept(): Generator<[string, StaticFile]> {}
}

const documentHead = (root: string, attributes: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${root} ${attributes}\n` +
  '  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xhtml="http://www.w3.org/1999/xhtml">\n';

export class CweUpstream extends CatalogueUpstream {
  protected readonly model = cweModel;
  #brokenZips = 0;

  /** Real 4.16 and 4.17; generated 4.18, 4.19, … */
  get #version(): string {
    if (this.options.sharedData !== undefined) return this.point === "before" ? "4.16" : "4.17";
    return `4.${18 + this.entries.release}`;
  }

  get #attributes(): string {
    return (
      `Name="CWE" Version="${this.#version}" Date="${this.date}" xmlns="http://cwe.mitre.org/cwe-7"\n` +
      '  xsi:schemaLocation="http://cwe.mitre.org/cwe-7 http://cwe.mitre.org/data/xsd/cwe_schema_v7.2.xsd"'
    );
  }

  /** Real data is served as JSON only. */
  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CWE_JSON && path !== CWE_XML && path !== CWE_ZIP) return undefined;
    if (path !== CWE_JSON && this.options.sharedData !== undefined) return undefined;
    this.options.injector.count("bad-record", this.badRecords().length);
    if (path === CWE_JSON) return corruptJson(serveFile(this.#json(), headers), drawn);
    const isZip = path === CWE_ZIP;
    const type = { "content-type": isZip ? "application/zip" : "text/xml" };
    const broken = isZip ? this.#brokenZip(drawn) : undefined;
    if (broken) return reply(200, type, broken);
    const xml = this.#xml();
    const corrupt = corruptXml(xml.body, drawn);
    if (corrupt) return reply(200, type, isZip ? this.#zip(corrupt) : corrupt);
    return serveFile(isZip ? this.file(CWE_ZIP, "application/zip", () => this.#zip(xml.body)) : xml, headers);
  }

  get #zipName(): string {
    return `cwec_v${this.#version}.xml`;
  }

  #zip(data: Buffer): Buffer {
    return zip({ name: this.#zipName, data });
  }

  #brokenZip(drawn: Drawn): Buffer | undefined {
    const bomb = drawn.take("zip-bomb", "2048");
    if (bomb !== undefined) {
      const head = documentHead("Weakness_Catalog", this.#attributes);
      return zipBomb(Number(bomb) || 2_048, this.#zipName, head, "</Weakness_Catalog>");
    }
    const asked = drawn.take("bad-zip", "");
    if (asked === undefined) return undefined;
    const kind =
      brokenZipKinds.find((one) => one === asked) ??
      brokenZipKinds[this.#brokenZips++ % brokenZipKinds.length]!;
    return brokenZip(kind, { name: this.#zipName, data: this.#xml().body });
  }

  #xml(): StaticFile {
    return this.file(CWE_XML, "text/xml", () => this.document("Weakness_Catalog", this.#attributes));
  }

  #json(): StaticFile {
    return this.file(CWE_JSON, "application/json", () => {
      const shape = { id: "ID", list: "ContentHistory" };
      const lists = this.#catalogue().map(
        ([name, entries]) =>
          `"${name}":[${this.jsonTexts(entries, shape, ({ ID }) => `CWE-${ID}`).join(",")}]`,
      );
      return `{"ContentVersion":"${this.#version}","ContentDate":"${this.date}",${lists.join(",")}}`;
    });
  }

  #catalogue(): [list: string, entries: JsonObject[]][] {
    const generated = this.generated();
    return cweModel.lists.map(([kind, list]) => {
      if (this.options.sharedData === undefined)
        return [list, generated.filter((entry) => entry.kind === kind).map(({ json }) => json)];
      const file = this.shared("cwe", `rest-api-${this.#version}`, `${list.toLowerCase()}.json.gz`);
      return [list, (JSON.parse(file.toString("utf8")) as Record<string, JsonObject[]>)[list] ?? []];
    });
  }

  /** Generated entries have their XML, too. */
  protected *records(): Generator<ContentEntry> {
    for (const { id, json, xml } of this.generated()) yield { id, data: json, xml };
    if (this.options.sharedData === undefined) return;
    for (const [, entries] of this.#catalogue())
      for (const data of entries) yield { id: `CWE-${String(data.ID)}`, data };
  }
}

export class CapecUpstream extends CatalogueUpstream {
  protected readonly model = capecModel;

  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CAPEC_XML) return undefined;
    const file = this.#xml();
    this.options.injector.count("bad-record", this.badRecords().length);
    const corrupt = corruptXml(file.body, drawn);
    return corrupt ? reply(200, { "content-type": "text/xml" }, corrupt) : serveFile(file, headers);
  }

  /** Generated, or the real 3.9. */
  #xml(): StaticFile {
    return this.file(CAPEC_XML, "text/xml", () => {
      if (this.options.sharedData !== undefined)
        return this.shared("capec", "capec_contents_latest-3.9.xml.gz");
      return this.document(
        "Attack_Pattern_Catalog",
        `Name="CAPEC" Version="3.${9 + this.entries.release}" Date="${this.date}" xmlns="http://capec.mitre.org/capec-3"\n` +
          '  xsi:schemaLocation="http://capec.mitre.org/capec-3 http://capec.mitre.org/data/xsd/ap_schema_v3.5.xsd"',
      );
    });
  }

  protected *records(): Generator<ContentEntry> {
    for (const { id, xml } of this.generated()) yield { id, xml };
    if (this.options.sharedData === undefined) return;
    // MITRE never nests the records' elements and writes no such tags inside text.
    const found = this.#xml()
      .body.toString("utf8")
      .matchAll(/<(Attack_Pattern|Category|View)\s[^>]*?\bID="(\d+)"[\s\S]*?<\/\1>/g);
    for (const [xml, , id] of found) yield { id: `CAPEC-${id}`, xml };
  }

  /** The real file is served as it is. */
  protected override breakable(): Iterable<{ id: string }> {
    return this.generated();
  }
}
