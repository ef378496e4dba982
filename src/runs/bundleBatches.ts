/**
 * Runs whose records come from a bundle and not from the upstream. The process that has the file stages everything before
 * the run opens; the run then has the batches that commit the slices, and any worker takes them. Killed before the run opens,
 * that process leaves nothing but slices that expire.
 */
import { z } from "zod";
import type { Edition } from "../core/edition.ts";
import type { ExtractContext, Extracted, PlannedBatch } from "../providers/contract.ts";

/** What a bundle says of the provider's records. */
export interface BundleFacts {
  /** SHA-256 of its manifest, hex: the same bundle is loaded by one run at a time. */
  id: string;
  /** All that the provider has. */
  records: number;
  watermark: string | null;
  /** ISO: when the mirror in which the bundle was made was verified. */
  verifiedAt: string;
  edition: Edition | null;
}

/** A run whose slices are staged. */
export interface PreparedRun {
  runId: string;
  /** The provider's clock when it was prepared, µs as text. */
  clock: string;
  bundle: BundleFacts;
  /** For the run's status. */
  note: string;
}

export const bundlePayload = z.strictObject({
  kind: z.literal("bundle"),
  /** Name of the staged slice. */
  name: z.string().min(1).max(80),
  /** Records of the whole bundle. */
  total: z.int().min(0),
});

type BundlePayload = z.infer<typeof bundlePayload>;

export const bundleBatches = (
  slices: readonly { name: string; records: number }[],
  total: number,
): PlannedBatch<BundlePayload>[] =>
  slices.map(({ name, records }) => ({
    key: `bundle/${name}`,
    size: records,
    payload: { kind: "bundle", name, total },
  }));

/** The records of one staged slice. */
export async function extractBundled(
  { name, total }: BundlePayload,
  { loadStaged }: Pick<ExtractContext, "loadStaged">,
): Promise<Extracted<unknown>> {
  const { records, fetchedAt } = await loadStaged(name);
  return {
    records,
    fetchedAt,
    facts: { group: "bundle", total },
    consumed: name,
  };
}
