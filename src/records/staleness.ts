/**
 * Whether an incoming version is newer than the stored one. Pure; the compare-and-set of the write guards that the stored
 * version is still there.
 */
import type { CommitOptions } from "./contract.ts";
import type { IndexEntry } from "./indexEntry.ts";

export interface Version {
  /** µs by the provider's clock. */
  readonly fetchedAt: number;
  /** ms since the epoch. */
  readonly lastModified: number | undefined;
}

export type VersionOrder =
  /** Newer by its own version time: no later fetch of an older version can outdo it. */
  | "newer"
  /** Newer only in that it was fetched later; the write refuses it when this run has seen a later fetch of the record. */
  | "fetched-later"
  /** Fetched later, yet an older version: a lagging replica of the upstream, or a roll-back. */
  | "regressed"
  | "stale";

export function compareVersions(
  stored: Pick<IndexEntry, "fetchedAt" | "lastModified">,
  incoming: Version,
  staleness: CommitOptions["staleness"],
): VersionOrder {
  const fetchedEarlier = incoming.fetchedAt < stored.fetchedAt;
  if (
    staleness === "latest-wins" &&
    incoming.lastModified !== undefined &&
    stored.lastModified !== undefined &&
    incoming.lastModified !== stored.lastModified
  ) {
    // @safeguard older-never-replaces
    if (incoming.lastModified > stored.lastModified) return "newer";
    return fetchedEarlier ? "stale" : "regressed";
  }
  return fetchedEarlier ? "stale" : "fetched-later";
}

/** Whether a later copy of one id in one commit replaces an earlier one, as if the earlier one were stored. */
export function outlives(later: Version, earlier: Version, staleness: CommitOptions["staleness"]): boolean {
  const order = compareVersions(earlier, later, staleness);
  return order === "newer" || order === "fetched-later";
}

/** A fetch time as it stands in `seen` marks: base 36, of fixed width, so that text order is time order. */
export const markTime = (fetchedAt: number): string => fetchedAt.toString(36).padStart(11, "0");
