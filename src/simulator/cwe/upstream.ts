/** MITRE's CWE: the zip, the XML and a JSON catalogue of the REST API's shape, all of one content. */
import type { JsonObject } from "../../core/json.ts";
import { breakJson } from "../faults/badRecord.ts";
import type { Drawn } from "../faults/injector.ts";
import { corruptJson, corruptXml } from "../http/corrupt.ts";
import { type Reply, reply } from "../http/reply.ts";
import { type StaticFile, serveFile } from "../snapshot/files.ts";
import { type SnapshotOptions, SnapshotUpstream } from "../snapshot/upstream.ts";
import { xmlLists } from "../snapshot/xmlLists.ts";
import { brokenZip, brokenZipKinds, zip, zipBomb } from "../snapshot/zip.ts";
import type { ContentEntry } from "../types.ts";
import type { SimRequest } from "../upstream.ts";
import { type CweEntry, cweHead, cweNumber, makeCwe } from "./model.ts";

export const CWE_ZIP = "/data/xml/cwec_latest.xml.zip";
export const CWE_XML = "/data/xml/cwec_latest.xml";
export const CWE_JSON = "/cwe.json";
const lists = { Weakness: "Weaknesses", Category: "Categories", View: "Views" } as const;
type Catalogue = Record<(typeof lists)[keyof typeof lists], JsonObject[]>;

/** Catalogue references: metadata, no records. */
const tail = `<External_References>
<External_Reference Reference_ID="REF-1">
<Author>A. Author</Author>
<Author>B. Author</Author>
<Title>Writing Secure Code &amp; more</Title>
<URL>https://example.org/?a=1&amp;b=2</URL>
</External_Reference>
</External_References>
</Weakness_Catalog>
`;

export class CweUpstream extends SnapshotUpstream {
  #brokenZips = 0;

  constructor(options: SnapshotOptions) {
    super("cwe", options, (slot) => `CWE-${cweNumber(options.seed, slot)}`);
  }

  /** Real 4.16 and 4.17; generated 4.18, 4.19, … */
  get #version(): string {
    if (this.options.sharedData !== undefined) return this.point === "before" ? "4.16" : "4.17";
    return `4.${18 + this.entries.release}`;
  }

  /** Real data is served as JSON only. */
  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CWE_JSON && path !== CWE_XML && path !== CWE_ZIP) return undefined;
    if (path !== CWE_JSON && this.options.sharedData !== undefined) return undefined;
    this.options.injector.count("bad-record", this.badRecords().length);
    if (path === CWE_JSON) return corruptJson(serveFile(this.#json(), headers), drawn);
    const broken = path === CWE_ZIP ? this.#brokenZip(drawn) : undefined;
    if (broken) return reply(200, { "content-type": "application/zip" }, broken);
    const corrupt = corruptXml(this.#xml().body, drawn);
    if (!corrupt) return serveFile(path === CWE_XML ? this.#xml() : this.#zip(), headers);
    return path === CWE_XML
      ? reply(200, { "content-type": "text/xml" }, corrupt)
      : reply(200, { "content-type": "application/zip" }, zip({ name: this.#zipName, data: corrupt }));
  }

  get #zipName(): string {
    return `cwec_v${this.#version}.xml`;
  }

  #brokenZip(drawn: Drawn): Buffer | undefined {
    const bomb = drawn.take("zip-bomb", "2048");
    if (bomb !== undefined)
      return zipBomb(
        Number(bomb) || 2_048,
        this.#zipName,
        cweHead(this.#version, "2026-01-01"),
        "</Weakness_Catalog>",
      );
    const asked = drawn.take("bad-zip", "");
    if (asked === undefined) return undefined;
    const kind =
      brokenZipKinds.find((one) => one === asked) ??
      brokenZipKinds[this.#brokenZips++ % brokenZipKinds.length]!;
    return brokenZip(kind, { name: this.#zipName, data: this.#xml().body });
  }

  #zip(): StaticFile {
    return this.file(CWE_ZIP, "application/zip", () => zip({ name: this.#zipName, data: this.#xml().body }));
  }

  #generated(): CweEntry[] {
    return Array.from(this.entries.live(), ({ slot, edition }) => makeCwe(this.options.seed, slot, edition));
  }

  get #date(): string {
    return new Date(this.releasedAt).toISOString().slice(0, 10);
  }

  #xml(): StaticFile {
    return this.file(CWE_XML, "text/xml", () => {
      const groups = xmlLists(lists, this.#generated(), this.isBad());
      return `${cweHead(this.#version, this.#date)}${groups}${tail}`;
    });
  }

  #json(): StaticFile {
    return this.file(CWE_JSON, "application/json", () => {
      const isBad = this.isBad();
      const catalogue = Object.entries(this.#catalogue()).map(([name, entries]) => {
        const items = entries.map((entry) => {
          const bad = isBad?.(`CWE-${entry.ID}`);
          const text = JSON.stringify(entry);
          return bad ? breakJson(text, bad, { id: "ID", list: "ContentHistory" }) : text;
        });
        return `${JSON.stringify(name)}:[${items.join(",")}]`;
      });
      return `{"ContentVersion":"${this.#version}","ContentDate":"${this.#date}",${catalogue.join(",")}}`;
    });
  }

  #catalogue(): Catalogue {
    const real = this.options.sharedData !== undefined;
    const generated = real ? [] : this.#generated();
    const listOf = (kind: keyof typeof lists): JsonObject[] =>
      real
        ? this.#sharedList(lists[kind])
        : generated.filter((entry) => entry.kind === kind).map(({ json }) => json);
    return { Weaknesses: listOf("Weakness"), Categories: listOf("Category"), Views: listOf("View") };
  }

  #sharedList(name: string): JsonObject[] {
    const file = `${name.toLowerCase()}.json.gz`;
    const text = this.shared("cwe", `rest-api-${this.#version}`, file).toString("utf8");
    return (JSON.parse(text) as Record<string, JsonObject[]>)[name] ?? [];
  }

  /** Generated entries have their XML, too. */
  protected *records(): Generator<ContentEntry> {
    const xml = new Map(
      this.options.sharedData === undefined ? this.#generated().map((one) => [one.id, one.xml]) : [],
    );
    for (const data of Object.values(this.#catalogue()).flat()) {
      const id = `CWE-${String(data.ID)}`;
      yield { id, data, ...(xml.has(id) ? { xml: xml.get(id)! } : {}) };
    }
  }

  protected *kept(): Generator<[string, StaticFile]> {}
}
