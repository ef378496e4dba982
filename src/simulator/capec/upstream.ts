/** MITRE's CAPEC: one XML file, generated or the real 3.9. */
import type { Drawn } from "../faults/injector.ts";
import { corruptXml } from "../http/corrupt.ts";
import { type Reply, reply } from "../http/reply.ts";
import { type StaticFile, serveFile } from "../snapshot/files.ts";
import { type SnapshotOptions, SnapshotUpstream } from "../snapshot/upstream.ts";
import { xmlLists } from "../snapshot/xmlLists.ts";
import type { ContentEntry } from "../types.ts";
import type { SimRequest } from "../upstream.ts";
import { type CapecEntry, capecHead, capecNumber, makeCapec } from "./model.ts";

export const CAPEC_XML = "/data/xml/capec_latest.xml";
const lists = { Attack_Pattern: "Attack_Patterns", Category: "Categories", View: "Views" } as const;

/** Catalogue references: metadata, no records. */
const tail = `<External_References>
<External_Reference Reference_ID="REF-1">
<Author>A. Author</Author>
<Title>ATT&amp;CK and others</Title>
<URL>https://example.org/?a=1&amp;b=2</URL>
</External_Reference>
</External_References>
</Attack_Pattern_Catalog>
`;

export class CapecUpstream extends SnapshotUpstream {
  constructor(options: SnapshotOptions) {
    super("capec", options, (slot) => `CAPEC-${capecNumber(options.seed, slot)}`);
  }

  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CAPEC_XML) return undefined;
    const file = this.#xml();
    this.options.injector.count("bad-record", this.badRecords().length);
    const corrupt = corruptXml(file.body, drawn);
    return corrupt ? reply(200, { "content-type": "text/xml" }, corrupt) : serveFile(file, headers);
  }

  #generated(): CapecEntry[] {
    return Array.from(this.entries.live(), ({ slot, edition }) =>
      makeCapec(this.options.seed, slot, edition),
    );
  }

  #xml(): StaticFile {
    return this.file(CAPEC_XML, "text/xml", () => {
      if (this.options.sharedData !== undefined)
        return this.shared("capec", "capec_contents_latest-3.9.xml.gz");
      const groups = xmlLists(lists, this.#generated(), this.isBad());
      const date = new Date(this.releasedAt).toISOString().slice(0, 10);
      return `${capecHead(`3.${9 + this.entries.release}`, date)}${groups}${tail}`;
    });
  }

  protected *records(): Generator<ContentEntry> {
    if (this.options.sharedData === undefined) {
      for (const { id, xml } of this.#generated()) yield { id, xml };
      return;
    }
    // MITRE never nests the records' elements and writes no such tags inside text.
    const found = this.#xml()
      .body.toString("utf8")
      .matchAll(/<(Attack_Pattern|Category|View)\s[^>]*?\bID="(\d+)"[\s\S]*?<\/\1>/g);
    for (const [xml, , id] of found) yield { id: `CAPEC-${id}`, xml };
  }

  /** The real file is served as it is. */
  protected override breakable(): Iterable<{ id: string }> {
    return this.#generated();
  }

  protected *kept(): Generator<[string, StaticFile]> {}
}
