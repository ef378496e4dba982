/** Lays the records of a snapshot down in slices, and reads a slice back. */
import { createHash } from "node:crypto";
import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";
import { KeptRecord, type SourceText } from "../../core/sourceText.ts";
import type { ExtractContext, Extracted, PlannedBatch } from "../contract.ts";
import {
  keyOf,
  MAX_SLICE_RECORDS,
  SLICE_RECORDS,
  type SlicePayload,
  type SnapshotPayload,
  snapshotFacts,
} from "./batches.ts";

const SLICE_BYTES = 512 * 1024;

/** The records of one staged slice. */
export async function extractSlice(
  payload: SlicePayload,
  context: ExtractContext,
): Promise<Extracted<SnapshotPayload>> {
  const slice = await context.loadStaged(payload.name);
  const skip = new Set(payload.skip);
  return {
    records: slice.records.filter((_, place) => !skip.has(place)),
    fetchedAt: slice.fetchedAt,
    facts: snapshotFacts(payload.total),
  };
}

interface Slice {
  name: string;
  records: number;
  skip: number[];
}

interface StagerOptions<Version> {
  context: Pick<ExtractContext, "stage">;
  fetchedAt: number;
  pass: number;
  /** Default: SLICE_RECORDS; at most MAX_SLICE_RECORDS. */
  sliceRecords?: number | undefined;
  /** Whether a copy that is read later replaces an earlier copy of the same id. */
  supersedes: (candidate: Version, current: Version) => boolean;
}

/**
 * Stages records while they are parsed, in source order, and keeps one copy of each id: a copy that loses against an
 * earlier one is left out; an earlier one that loses is skipped when its slice is read.
 */
export class SliceStager<Version> {
  readonly #options: StagerOptions<Version>;
  readonly #sliceRecords: number;
  /** Where the copy of each id lies: slice × MAX_SLICE_RECORDS + place. One number an id, as there are many ids. */
  readonly #placed = new Map<string, number>();
  /** Versions that are not null. */
  readonly #versions = new Map<string, Version>();
  readonly #slices: Slice[] = [];
  #nameless = 0;
  #current: Slice = { name: "", records: 0, skip: [] };
  #sources: (SourceText | KeptRecord)[] = [];
  /** Ids whose valid copy is in a file that was not read, and which the store does not have. */
  readonly #lacking = new Set<string>();
  #bytes = 0;

  constructor(options: StagerOptions<Version>) {
    this.#options = options;
    this.#sliceRecords = Math.min(options.sliceRecords ?? SLICE_RECORDS, MAX_SLICE_RECORDS);
  }

  get total(): number {
    return this.#placed.size + this.#nameless;
  }

  /** `id` is undefined where the record does not tell one. */
  async add(source: SourceText, id: string | undefined, version: Version): Promise<void> {
    if (id === undefined) this.#nameless++;
    else if (!this.#place(id, version)) return;
    if (this.total > bounds.snapshotRecords) {
      const detail = `The snapshot has more than ${bounds.snapshotRecords} records.`;
      throw new UeeError("PROV_BODY_TOO_LARGE", detail);
    }
    await this.#lay(source.named(id), source.bytes.length);
  }

  /** A copy of a record in a file that is not read. `stands`: the store has this copy. */
  async keep(id: string, version: Version, stands: boolean): Promise<void> {
    if (!this.#place(id, version)) return;
    if (!stands) this.#lacking.add(id);
    await this.#lay(new KeptRecord(id), 0);
  }

  /** Some copy that stands can only be had by reading its file. */
  get lacks(): boolean {
    return this.#lacking.size > 0;
  }

  /** Ends the slice that is being filled; returns how many slices there are. */
  async cut(): Promise<number> {
    if (this.#sources.length > 0) await this.#flush();
    return this.#slices.length;
  }

  /** Whether the valid copy of the record is in one of these slices. */
  standsIn(id: string, from: number, to: number): boolean {
    const slice = Math.floor((this.#placed.get(id) ?? -1) / MAX_SLICE_RECORDS);
    return slice >= from && slice < to;
  }

  async #lay(record: SourceText | KeptRecord, bytes: number): Promise<void> {
    this.#sources.push(record);
    this.#bytes += bytes;
    if (this.#sources.length >= this.#sliceRecords || this.#bytes >= SLICE_BYTES) await this.#flush();
  }

  /** Returns false when an earlier copy stands. */
  #place(id: string, version: Version): boolean {
    const earlier = this.#placed.get(id);
    if (earlier !== undefined) {
      if (!this.#options.supersedes(version, this.#versions.get(id) ?? (null as Version))) return false;
      const slice = this.#slices[Math.floor(earlier / MAX_SLICE_RECORDS)] ?? this.#current;
      slice.skip.push(earlier % MAX_SLICE_RECORDS);
    }
    this.#lacking.delete(id);
    this.#placed.set(id, this.#slices.length * MAX_SLICE_RECORDS + this.#sources.length);
    if (version !== null) this.#versions.set(id, version);
    else if (earlier !== undefined) this.#versions.delete(id);
    return true;
  }

  /** The batches that commit what was staged. Throws PROV_EMPTY_LIE for an empty snapshot, which is never true. */
  async finish(): Promise<PlannedBatch<SnapshotPayload>[]> {
    if (this.total === 0) throw new UeeError("PROV_EMPTY_LIE", "The upstream's catalogue holds no records.");
    await this.cut();
    return this.#slices
      .map((slice, index) => ({
        key: keyOf(this.#options.pass, `slice/${numbered(index)}`),
        size: slice.records - slice.skip.length,
        payload: {
          kind: "slice" as const,
          name: slice.name,
          total: this.total,
          skip: slice.skip.sort((a, b) => a - b),
        },
      }))
      .filter((batch) => batch.size > 0);
  }

  async #flush(): Promise<void> {
    // The name is made of the content, so a superseded attempt cannot store other content under it.
    const digest = createHash("sha256");
    for (const record of this.#sources) {
      digest.update(record instanceof KeptRecord ? record.id : record.bytes).update("\n");
    }
    const slice = this.#current;
    slice.name = `${numbered(this.#slices.length)}-${digest.digest("hex").slice(0, 16)}`;
    slice.records = this.#sources.length;
    this.#slices.push(slice);
    const records = this.#sources;
    this.#current = { name: "", records: 0, skip: [] };
    this.#sources = [];
    this.#bytes = 0;
    await this.#options.context.stage(slice.name, { fetchedAt: this.#options.fetchedAt, records });
  }
}

const numbered = (index: number): string => String(index + 1).padStart(4, "0");
