/** The batches of a snapshot run: one `stage` batch, then the `slice` batches that it plans; and what verifies them. */
import { z } from "zod";
import type { Edition } from "../../core/edition.ts";
import { formatTime, parseTime } from "../../core/time.ts";
import type { BatchFacts, PlannedBatch, Verdict, VerifyInput } from "../contract.ts";

/** Records of one slice, unless the source says otherwise. */
export const SLICE_RECORDS = 400;
/** The most that a source may ask for: with every place skipped, a payload stays below 16 KB. */
export const MAX_SLICE_RECORDS = 2_500;

export const snapshotPayload = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("stage"), pass: z.int().min(1) }),
  z.strictObject({
    kind: z.literal("slice"),
    /** Name of the staged slice. */
    name: z.string().min(1).max(80),
    /** Records of the whole snapshot. */
    total: z.int().min(0),
    /** Places in the slice whose record was superseded by a copy that came after the slice was staged. */
    skip: z.array(z.int().min(0)).max(MAX_SLICE_RECORDS),
  }),
]);

export type SnapshotPayload = z.infer<typeof snapshotPayload>;
export type SlicePayload = Extract<SnapshotPayload, { kind: "slice" }>;

/** Keys are unique within a run: those of later passes carry the pass's number. */
export const keyOf = (pass: number, rest: string): string => (pass === 1 ? rest : `pass${pass}/${rest}`);

export const planSnapshot = (pass = 1): PlannedBatch<SnapshotPayload>[] => [
  { key: keyOf(pass, "stage"), size: 0, payload: { kind: "stage", pass } },
];

export const snapshotFacts = (total: number, edition?: Edition): BatchFacts => ({
  group: "snapshot",
  total,
  ...(edition === undefined ? {} : { edition }),
});

/**
 * A snapshot is complete when every record that it holds was received. Its watermark is the first of these that does not
 * lie in the future: the edition's own date, the file's `Last-Modified`, the newest record; else the run's start.
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
  // A date in the future does not say up to when the catalogue is complete.
  const at = [parseTime(edition?.date), httpTime(edition?.lastModified), parseTime(newest)].find(
    (time) => time !== undefined && time <= start,
  );
  return { kind: "verified", watermark: formatTime(at ?? start) };
}

function httpTime(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}
