/** The batches of a snapshot run: one `stage` batch, then the `slice` batches that it plans. */
import { z } from "zod";
import type { Edition } from "../../core/edition.ts";
import type { BatchFacts, PlannedBatch } from "../contract.ts";

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
