import { z } from "zod";
import type { PlannedBatch } from "../contract.ts";
import type { Window } from "./windows.ts";

/** Records of one batch: the fixed slice [start, start + 2000) of a listing. */
export const BATCH_RECORDS = 2000;

export const cvePayload = z.strictObject({
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

export type CvePayload = z.infer<typeof cvePayload>;

const batch = (payload: CvePayload, size: number): PlannedBatch<CvePayload> => ({
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
}): PlannedBatch<CvePayload> => batch({ kind: "page", start: 0, total: null, ...head }, BATCH_RECORDS);

export const restOf = (head: CvePayload, total: number): PlannedBatch<CvePayload>[] => {
  const rest: PlannedBatch<CvePayload>[] = [];
  for (let start = BATCH_RECORDS; start < total; start += BATCH_RECORDS) {
    rest.push(batch({ ...head, start, total, laterUntil: null }, Math.min(BATCH_RECORDS, total - start)));
  }
  return rest;
};

/** Asks for the full listing's total only. */
export const probeBatch = (pass: number): PlannedBatch<CvePayload> =>
  batch(
    {
      kind: "probe",
      listing: `p${pass}/probe`,
      window: null,
      start: 0,
      total: null,
      mustHaveRecords: true,
      laterUntil: null,
    },
    1,
  );
