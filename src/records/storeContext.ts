/** What the parts of one provider's store share, and the words their scripts answer with. */
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { LinkSource } from "../core/links.ts";
import { formatUrn } from "../core/urn.ts";
import type { ProviderKeys } from "../redis/keys.ts";
import type { ContentCodec } from "./content.ts";
import type { Attempt } from "./contract.ts";

/** What the store must know of a provider (providers/contract.ts). */
export interface RecordsProvider extends LinkSource {
  readonly name: string;
  readonly authority: string;
  readonly version: number;
  readonly dictionaries?: readonly string[];
  readonly columns?: readonly (readonly string[])[];
  readonly changes?: "all" | "summary" | "off";
  readonly numbers?: readonly string[];
}

export interface StoreContext {
  readonly redis: Redis;
  readonly keys: ProviderKeys;
  readonly provider: RecordsProvider;
  readonly content: ContentCodec;
  /** Entries that the change feed keeps, at least. */
  readonly changesLimit: number;
}

/** Records that a script step takes at most. */
export const STEP_RECORDS = 64;
/** Keys a script step takes, unless one record alone needs more: each costs the server a command or two. */
export const STEP_KEYS = 1_000;
/** How often a record that changed between comparison and write is compared again. */
export const MAX_ROUNDS = 8;

export const recordUrn = ({ provider }: StoreContext, id: string): string =>
  formatUrn({ authority: provider.authority, type: provider.name, id });

/** A script's refusal as an error: -1 the run accepts no commits, -2 the batch has a newer attempt. */
export function assertAllowed(code: number, attempt: Attempt): void {
  if (code === 0) return;
  throw new UeeError(code === -1 ? "STOR_RUN_CLOSED" : "STOR_FENCED", undefined, { data: { ...attempt } });
}

export const contended = (ids: string[]): UeeError =>
  new UeeError("STOR_CONTENDED", `${ids.length} records changed under the commit ${MAX_ROUNDS} times.`, {
    data: { ids: ids.slice(0, 5) },
  });

export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
  return chunks;
}

/**
 * Runs the work for all items, `width` at a time. After a failure nothing new starts, what runs is waited for, and the
 * first failure is thrown: nothing is written after the caller has received it.
 */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const lane = async () => {
    while (next < items.length && !failure) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failure) throw failure.error;
}

/** Entries that the change feed keeps of single records; 0 where it keeps none. */
export const recordChangesKept = ({ provider, changesLimit }: StoreContext): number =>
  (provider.changes ?? "all") === "all" ? changesLimit : 0;
