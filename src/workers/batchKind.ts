/** What may differ between kinds of batches. The steps of a batch (runBatch.ts) know one kind: the one they are given. */
import type { BatchJob } from "../queues/jobCatalog.ts";

export interface BatchKind {
  /** The run whose staged slices the batch reads. */
  slicesOf: string;
  /** Before it is fetched: why it has nothing left to do; undefined when it has. */
  superseded(): Promise<string | undefined>;
  /** After it was fetched (µs by the provider's clock). Throws where what was fetched must not be written. */
  checkFetched(fetchedAt: number): Promise<void>;
  /** The key of a batch that this one discovered. */
  discoveredKey(key: string): string;
  /** After its checkpoint. May be called again. */
  committed(): Promise<void>;
}

export const ordinaryBatch = (job: BatchJob): BatchKind => ({
  slicesOf: job.runId,
  superseded: async () => undefined,
  checkFetched: async () => undefined,
  discoveredKey: (key) => key,
  committed: async () => undefined,
});
