/** MITRE's CAPEC: one XML file, generated or the real 3.9. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import { breakXml } from "../faults/badRecord.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import { corruptXml } from "../http/corrupt.ts";
import { type Reply, reply } from "../http/reply.ts";
import { SnapshotEntries } from "../snapshot/entries.ts";
import { type StaticFile, serveFile, staticFile } from "../snapshot/files.ts";
import type { BadRecord, Change, ChangeReport, ContentEntry, Point } from "../types.ts";
import { byText, type SimRequest, type SimulatedUpstream } from "../upstream.ts";
import { type CapecEntry, capecHead, capecNumber, capecTail, makeCapec } from "./model.ts";

export const CAPEC_XML = "/data/xml/capec_latest.xml";

export interface CapecOptions {
  seed: number;
  count: number;
  now: number;
  point: Point;
  injector: Injector;
  sharedData: string | undefined;
}

export class CapecUpstream implements SimulatedUpstream {
  readonly #options: CapecOptions;
  readonly #entries: SnapshotEntries;
  #file: StaticFile | undefined;
  /** Of the faults under which the file was made. */
  #generation = 0;

  constructor(options: CapecOptions) {
    this.#options = options;
    this.#entries = new SnapshotEntries({
      seed: options.seed,
      count: options.sharedData === undefined ? options.count : 0,
      point: options.point,
      idOf: (slot) => `CAPEC-${capecNumber(options.seed, slot)}`,
    });
  }

  reply({ path, headers }: SimRequest, drawn: Drawn): Reply | undefined {
    if (path !== CAPEC_XML) return undefined;
    const file = this.#current();
    this.#options.injector.count("bad-record", this.badRecords().length);
    const corrupt = corruptXml(file.body, drawn);
    return corrupt ? reply(200, { "content-type": "text/xml" }, corrupt) : serveFile(file, headers);
  }

  #current(): StaticFile {
    const { generation } = this.#options.injector;
    if (generation !== this.#generation) this.#file = undefined;
    this.#generation = generation;
    this.#file ??= staticFile(
      this.#xml(),
      "text/xml",
      this.#options.now - (60 - this.#entries.release) * 86_400_000,
    );
    return this.#file;
  }

  #generated(): CapecEntry[] {
    return [...this.#entries.live()].map(({ slot, edition }) => makeCapec(this.#options.seed, slot, edition));
  }

  #xml(): Buffer {
    const { sharedData, now } = this.#options;
    if (sharedData !== undefined) {
      const path = join(sharedData, "capec", "capec_contents_latest-3.9.xml.gz");
      try {
        return gunzipSync(readFileSync(path));
      } catch (cause) {
        throw new UeeError("SYS_DISK", `The simulator cannot read ${path}.`, { cause });
      }
    }
    const groups = { pattern: "", category: "", view: "" };
    const isBad = this.#options.injector.badRecords("capec");
    for (const { id, kind, xml } of this.#generated()) {
      const bad = isBad?.(id);
      groups[kind] += bad ? breakXml(xml, bad) : xml;
    }
    const date = new Date(now - (60 - this.#entries.release) * 86_400_000).toISOString().slice(0, 10);
    return Buffer.from(
      `${capecHead(`3.${9 + this.#entries.release}`, date)}   <Attack_Patterns>\n${groups.pattern}   </Attack_Patterns>\n` +
        `   <Categories>\n${groups.category}   </Categories>\n   <Views>\n${groups.view}   </Views>\n${capecTail}`,
    );
  }

  /** Real CAPEC exists in one version only: nothing changes. */
  setPoint(point: Point): ChangeReport {
    this.#file = undefined;
    return this.#entries.setPoint(point);
  }

  mutate(change: Change): ChangeReport {
    if (this.#options.sharedData !== undefined)
      throw new UeeError("API_BAD_INPUT", "Real CAPEC data exists in one version only.");
    this.#file = undefined;
    return this.#entries.mutate(change);
  }

  *content(): Generator<ContentEntry> {
    const entries =
      this.#options.sharedData === undefined
        ? this.#generated().map(({ id, xml }) => ({ id, xml: xml.trim() }))
        : cutElements(this.#current().body.toString("utf8"));
    yield* entries.sort((a, b) => byText(a.id, b.id));
  }

  *contentLines(): Generator<string> {
    for (const entry of this.content()) yield JSON.stringify(entry);
  }

  /** Generated entries only: the real file is served as it is. */
  badRecords(): BadRecord[] {
    const isBad = this.#options.injector.badRecords("capec");
    if (!isBad) return [];
    return this.#generated().flatMap(({ id }) => {
      const kind = isBad(id);
      return kind ? [{ id, kind }] : [];
    });
  }
}

/** The records' elements, verbatim. MITRE never nests them and writes no such tags inside text. */
function cutElements(xml: string): { id: string; xml: string }[] {
  const found = xml.matchAll(/<(Attack_Pattern|Category|View)\s[^>]*?\bID="(\d+)"[\s\S]*?<\/\1>/g);
  return [...found].map(([text, , id]) => ({ id: `CAPEC-${id}`, xml: text }));
}
