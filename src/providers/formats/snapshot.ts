/**
 * What all snapshot providers share. A run is one `stage` batch, which downloads and parses everything and lays it down
 * as slices; only when all of it is down does it name the `slice` batches that commit. So a bundle that is not what it
 * claims changes nothing.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { bounds } from "../../core/bounds.ts";
import type { Edition } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { SourceText } from "../../core/sourceText.ts";
import { formatTime, parseTime } from "../../core/time.ts";
import type {
  BatchFacts,
  ExtractContext,
  Extracted,
  PlannedBatch,
  StagedSlice,
  Verdict,
  VerifyInput,
} from "../contract.ts";

export const SLICE_RECORDS = 400;
const SLICE_BYTES = 512 * 1024;

export const snapshotPayload = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("stage"), pass: z.int().min(1) }),
  z.strictObject({
    kind: z.literal("slice"),
    /** Name of the staged slice. */
    name: z.string().min(1).max(80),
    /** Records of the whole snapshot. */
    total: z.int().min(0),
    /** Places in the slice whose record another copy superseded after the slice was laid down. */
    skip: z.array(z.int().min(0)).max(SLICE_RECORDS),
  }),
]);

export type SnapshotPayload = z.infer<typeof snapshotPayload>;
type SlicePayload = Extract<SnapshotPayload, { kind: "slice" }>;

/** Keys are unique within a run: later passes carry their number. */
const keyOf = (pass: number, rest: string): string => (pass === 1 ? rest : `pass${pass}/${rest}`);

export const planSnapshot = (pass = 1): PlannedBatch<SnapshotPayload>[] => [
  { key: keyOf(pass, "stage"), size: 0, payload: { kind: "stage", pass } },
];

export const snapshotFacts = (total: number, edition?: Edition): BatchFacts => ({
  group: "snapshot",
  total,
  ...(edition === undefined ? {} : { edition }),
});

/** Names of editions are stored and shown: a longer one is a mistake of the source. */
const MAX_NAME = 100;

/** An edition out of what its source has; what is no text, or empty, is left out. */
export function editionOf<Name extends string>(names: Record<Name, unknown>): Partial<Record<Name, string>> {
  const known: Partial<Record<Name, string>> = {};
  for (const [name, value] of Object.entries(names) as [Name, unknown][]) {
    if (typeof value === "string" && value !== "") known[name] = value.slice(0, MAX_NAME);
  }
  return known;
}

/**
 * A snapshot is the whole truth when every record it holds was received. Its watermark is the edition's own date, else the
 * file's `Last-Modified`, else the newest record, the first of them that is not in the future; else the run's start.
 */
export function verifySnapshot({
  facts,
  unique,
  pass,
  newest,
  startedAt,
}: VerifyInput): Verdict<SnapshotPayload> {
  const totals = new Set(facts.map((batch) => batch.facts.total));
  if (totals.size !== 1 || !totals.has(unique)) {
    const reason = `${unique} records received of ${[...totals].join(" or ") || "an unknown number"}`;
    return { kind: "again", reason, batches: planSnapshot(pass + 1) };
  }
  const edition = facts.find((batch) => batch.facts.edition !== undefined)?.facts.edition;
  const start = Date.parse(startedAt);
  // A date in the future says nothing of how far the catalogue is complete.
  const at = [parseTime(edition?.date), httpTime(edition?.lastModified), parseTime(newest)].find(
    (time) => time !== undefined && time <= start,
  );
  return { kind: "verified", watermark: formatTime(at ?? start) };
}

function httpTime(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

/** The records of one staged slice. */
export async function extractSlice(
  payload: SlicePayload,
  context: ExtractContext,
): Promise<Extracted<SnapshotPayload>> {
  const { records, refused, fetchedAt } = await context.loadStaged(payload.name);
  const skip = new Set(payload.skip);
  return {
    records: records
      .map((text, place) => {
        const known = refused?.find((one) => one.place === place);
        return known ? SourceText.refused(text, known.stub, known.refusal) : SourceText.of(text);
      })
      .filter((_, place) => !skip.has(place)),
    fetchedAt,
    facts: snapshotFacts(payload.total),
  };
}

interface Placed<Version> {
  slice: Slice;
  place: number;
  version: Version;
}

interface Slice {
  name: string;
  records: number;
  skip: number[];
}

/**
 * Lays records down in slices while they are parsed, in source order, and keeps one copy of each id: a copy that loses
 * to one laid down before is left out, one that loses to a later copy is skipped when its slice is read.
 */
export class SliceStager<Version> {
  readonly #stage: ExtractContext["stage"];
  readonly #fetchedAt: number;
  readonly #pass: number;
  readonly #supersedes: (candidate: Version, current: Version) => boolean;
  readonly #placed = new Map<string, Placed<Version>>();
  readonly #slices: Slice[] = [];
  #nameless = 0;
  #current: Slice = { name: "", records: 0, skip: [] };
  #texts: string[] = [];
  #refused: NonNullable<StagedSlice["refused"]> = [];
  #bytes = 0;

  constructor(options: {
    context: Pick<ExtractContext, "stage">;
    fetchedAt: number;
    pass: number;
    /** Of two copies of one id: does the one read later replace the earlier? */
    supersedes: (candidate: Version, current: Version) => boolean;
  }) {
    this.#stage = (name, slice) => options.context.stage(name, slice);
    this.#fetchedAt = options.fetchedAt;
    this.#pass = options.pass;
    this.#supersedes = options.supersedes;
  }

  get total(): number {
    return this.#placed.size + this.#nameless;
  }

  /** `id` is undefined where it cannot be told. */
  async add(source: SourceText | string, id: string | undefined, version: Version): Promise<void> {
    if (id === undefined) this.#nameless++;
    else {
      const earlier = this.#placed.get(id);
      if (earlier && !this.#supersedes(version, earlier.version)) return;
      earlier?.slice.skip.push(earlier.place);
      this.#placed.set(id, { slice: this.#current, place: this.#texts.length, version });
    }
    if (this.total > bounds.snapshotRecords) {
      throw new UeeError(
        "PROV_BODY_TOO_LARGE",
        `The snapshot has more than ${bounds.snapshotRecords} records.`,
      );
    }
    const text = typeof source === "string" ? source : source.text;
    if (typeof source !== "string" && source.refusal) {
      this.#refused.push({ place: this.#texts.length, stub: source.stub, refusal: source.refusal });
    }
    this.#texts.push(text);
    this.#bytes += typeof source === "string" ? Buffer.byteLength(text) : source.bytes.length;
    if (this.#texts.length >= SLICE_RECORDS || this.#bytes >= SLICE_BYTES) await this.#flush();
  }

  /** The batches that commit what was laid down. An empty snapshot is never the truth: PROV_EMPTY_LIE. */
  async finish(): Promise<PlannedBatch<SnapshotPayload>[]> {
    if (this.total === 0) throw new UeeError("PROV_EMPTY_LIE", "The upstream's catalogue holds no records.");
    if (this.#texts.length > 0) await this.#flush();
    return this.#slices
      .map((slice, index) => ({
        key: keyOf(this.#pass, `slice/${numbered(index)}`),
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
    // The name tells the content, so that no superseded attempt can put other content under it.
    const digest = createHash("sha256");
    for (const text of this.#texts) digest.update(text).update("\n");
    this.#current.name = `${numbered(this.#slices.length)}-${digest.digest("hex").slice(0, 16)}`;
    this.#current.records = this.#texts.length;
    this.#slices.push(this.#current);
    const records = this.#texts;
    const refused = this.#refused;
    this.#refused = [];
    this.#current = { name: "", records: 0, skip: [] };
    this.#texts = [];
    this.#bytes = 0;
    await this.#stage(this.#slices.at(-1)!.name, {
      fetchedAt: this.#fetchedAt,
      records,
      ...(refused.length > 0 ? { refused } : {}),
    });
  }
}

const numbered = (index: number): string => String(index + 1).padStart(4, "0");

/** What a change key keeps of a response, to ask conditionally next time. */
export const validators = ({ etag }: Record<string, string>): JsonObject => (etag ? { etag } : {});

/**
 * Headers that make a request conditional; none in a full run. Only an ETag names the very bytes: servers answer
 * `If-Modified-Since` with 304 for every file that is older, so that one which was taken back would seem unchanged.
 */
export function conditionalHeaders(
  context: Pick<ExtractContext, "mode" | "changeKey">,
): Record<string, string> {
  const { etag } = (context.mode === "incremental" && context.changeKey) || {};
  return typeof etag === "string" ? { "if-none-match": etag } : {};
}
