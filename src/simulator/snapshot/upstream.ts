/**
 * Common parts of all snapshot feeds: files that are built once per release and fault setting, changes of content,
 * the true records, and the previous release, which stays available.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { breakJson } from "../faults/content.ts";
import type { Drawn, Injector } from "../faults/injector.ts";
import type { Reply } from "../http/reply.ts";
import {
  type BadRecord,
  type Change,
  type ChangeReport,
  type ContentEntry,
  emptyReport,
  type Point,
  type StandIn,
} from "../types.ts";
import { byText, type SimRequest, type SimulatedUpstream } from "../upstream.ts";
import { SnapshotEntries } from "./entries.ts";
import { type StaticFile, staticFile } from "./files.ts";

export interface SnapshotOptions {
  seed: number;
  /** Anchor of all generated dates, ms. */
  now: number;
  point: Point;
  injector: Injector;
  /** Folder of real feeds. */
  sharedData: string | undefined;
}

export abstract class SnapshotUpstream implements SimulatedUpstream {
  protected readonly options: SnapshotOptions;
  /** Generated records at the point before. */
  protected readonly count: number;
  protected readonly entries: SnapshotEntries;
  protected point: Point;
  /** Files of the previous release, by path. */
  protected older = new Map<string, StaticFile>();
  readonly #name: StandIn;
  #files = new Map<string, StaticFile>();
  #generation = 0;

  constructor(name: StandIn, count: number, options: SnapshotOptions, idOf: (slot: number) => string) {
    const { seed, point, sharedData } = options;
    this.#name = name;
    this.options = options;
    this.point = point;
    this.count = sharedData === undefined ? count : 0;
    this.entries = new SnapshotEntries({ seed, count: this.count, point, idOf });
  }

  abstract reply(request: SimRequest, drawn: Drawn): Reply | undefined;
  /** The true records in any order. */
  protected abstract records(): Iterable<ContentEntry>;
  /** Files that clients may still request, or get from a stale cache, after the next release. */
  protected abstract kept(): Iterable<[path: string, file: StaticFile]>;

  /** ms: when the current release was published. */
  protected get releasedAt(): number {
    return this.options.now - (60 - this.entries.release) * 86_400_000;
  }

  protected isBad(): ((id: string) => BadRecord["kind"] | undefined) | undefined {
    return this.options.injector.badRecords(this.#name);
  }

  /** The records as JSON texts, broken where `bad-record` breaks them. */
  protected jsonTexts(
    records: readonly JsonObject[],
    shape: { id: string; list: string },
    idOf = (record: JsonObject) => String(record[shape.id]),
  ): string[] {
    const isBad = this.isBad();
    return records.map((record) => {
      const text = JSON.stringify(record);
      const kind = isBad?.(idOf(record));
      return kind ? breakJson(text, kind, shape) : text;
    });
  }

  /** Built once per release and fault setting. */
  protected file(path: string, contentType: string, make: () => string | Buffer): StaticFile {
    const { generation } = this.options.injector;
    if (generation !== this.#generation) this.#files = new Map();
    this.#generation = generation;
    const known = this.#files.get(path);
    if (known) return known;
    const made = staticFile(Buffer.from(make() as string), contentType, this.releasedAt);
    this.#files.set(path, made);
    return made;
  }

  /** Real bytes, unpacked. */
  protected shared(...path: string[]): Buffer {
    const full = join(this.options.sharedData ?? "", ...path);
    try {
      return gunzipSync(readFileSync(full));
    } catch (cause) {
      throw new UeeError("SYS_DISK", `The simulator cannot read ${full}.`, { cause });
    }
  }

  /** The current files become those of the previous release. */
  protected forget(): void {
    this.older = new Map(this.kept());
    this.#files = new Map();
  }

  setPoint(point: Point): ChangeReport {
    const real = this.options.sharedData !== undefined;
    this.forget();
    const before = real ? [...this.content()] : [];
    this.point = point;
    const report = this.entries.setPoint(point);
    return real ? compare(before, [...this.content()]) : report;
  }

  mutate(change: Change): ChangeReport {
    if (this.options.sharedData !== undefined)
      throw new UeeError(
        "API_BAD_INPUT",
        `Real ${this.#name} data knows two points in time and no other changes.`,
      );
    this.forget();
    return this.entries.mutate(change);
  }

  content(): ContentEntry[] {
    return [...this.records()].sort((a, b) => byText(a.id, b.id));
  }

  *contentLines(): Generator<string> {
    for (const entry of this.content()) yield JSON.stringify(entry);
  }

  /** Records that can be broken; real XML is served unchanged. */
  protected breakable(): Iterable<{ id: string }> {
    return this.content();
  }

  badRecords(): BadRecord[] {
    const isBad = this.isBad();
    if (!isBad) return [];
    return [...this.breakable()].flatMap(({ id }) => {
      const kind = isBad(id);
      return kind ? [{ id, kind }] : [];
    });
  }
}

function compare(before: readonly ContentEntry[], after: readonly ContentEntry[]): ChangeReport {
  const report = emptyReport();
  const old = new Map(before.map((entry) => [entry.id, JSON.stringify(entry)]));
  for (const entry of after) {
    const was = old.get(entry.id);
    old.delete(entry.id);
    if (was === undefined) report.added.push(entry.id);
    else if (was !== JSON.stringify(entry)) report.modified.push(entry.id);
  }
  report.removed.push(...old.keys());
  return report;
}
