import { z } from "zod";
import type { PlannedBatch } from "../contract.ts";
import type { Window } from "./windows.ts";

/** Records of one batch: the fixed slice [start, start + 2000) of a listing. */
export const BATCH_RECORDS = 2000;

const pagePayload = z.strictObject({
  kind: z.enum(["page", "probe"]),
  /** Name of the listing this slice belongs to. */
  listing: z.string(),
  /** lastModified window; null: everything. */
  window: z.strictObject({ start: z.string(), end: z.string() }).nullable(),
  start: z.int().nonnegative(),
  /** The listing's total when the slice was planned; null for the head, which finds it out. */
  total: z.int().nonnegative().nullable(),
  /** The listing cannot be empty: a full listing, or a window that holds the watermark's own record. */
  mustHaveRecords: z.boolean(),
  /** The head plans further windows from its own end up to here. */
  laterUntil: z.string().nullable(),
  /** Ask for every page twice: of replicas of the upstream that disagree, both are heard. */
  twice: z.boolean().optional(),
});

const feedPayload = z.strictObject({
  kind: z.literal("feed"),
  /** The year feeds of this chain that are still to be read; the batch reads the first one. */
  years: z.array(z.int()).min(1),
  /** The year of the run's start: the feed of a later year may not exist yet. */
  thisYear: z.int(),
});

const slicePayload = z.strictObject({
  kind: z.literal("slice"),
  year: z.int(),
  /** Name of the staged slice. */
  name: z.string().min(1).max(80),
  /** Records of the whole feed. */
  total: z.int().nonnegative(),
});

export const cvePayload = z.discriminatedUnion("kind", [pagePayload, feedPayload, slicePayload]);

export type CvePayload = z.infer<typeof cvePayload>;
export type PagePayload = z.infer<typeof pagePayload>;
export type FeedPayload = z.infer<typeof feedPayload>;
export type FeedSlicePayload = z.infer<typeof slicePayload>;

const batch = (payload: PagePayload, size: number): PlannedBatch<PagePayload> => ({
  key: `${payload.listing}/${String(payload.start).padStart(7, "0")}`,
  size,
  payload,
});

export const headBatch = (head: {
  listing: string;
  window: Window | null;
  mustHaveRecords: boolean;
  laterUntil: string | null;
  twice?: boolean;
}): PlannedBatch<PagePayload> => batch({ kind: "page", start: 0, total: null, ...head }, BATCH_RECORDS);

export const restOf = (head: PagePayload, total: number): PlannedBatch<PagePayload>[] => {
  const rest: PlannedBatch<PagePayload>[] = [];
  for (let start = BATCH_RECORDS; start < total; start += BATCH_RECORDS) {
    rest.push(batch({ ...head, start, total, laterUntil: null }, Math.min(BATCH_RECORDS, total - start)));
  }
  return rest;
};

/** Asks for the full listing's total only. */
export const probeBatch = (listing: string): PlannedBatch<PagePayload> =>
  batch(
    {
      kind: "probe",
      listing,
      window: null,
      start: 0,
      total: null,
      mustHaveRecords: true,
      laterUntil: null,
    },
    1,
  );
