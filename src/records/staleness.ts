/**
 * Is an incoming version newer than what the store knows? Pure; the compare-and-set of the write then guards that what
 * was judged against is still there.
 */
import type { CommitOptions } from "./contract.ts";
import type { IndexEntry } from "./indexEntry.ts";

export interface Version {
  /** µs by the provider's clock. */
  readonly fetchedAt: number;
  /** ms since the epoch. */
  readonly lastModified: number | undefined;
}

export type Judgement =
  /** Newer by its own version time: no later fetch of an older version can outdo it. */
  | "newer"
  /** Newer only in that it was fetched later; the write refuses it when this run has seen a later fetch of the record. */
  | "fetched-later"
  /** Fetched later, yet an older version: a lagging replica of the upstream, or a roll-back. */
  | "regressed"
  | "stale";

export function judgeVersion(
  stored: Pick<IndexEntry, "fetchedAt" | "lastModified">,
  incoming: Version,
  staleness: CommitOptions["staleness"],
): Judgement {
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

/** Of several copies of one id in one commit, the one that counts: judged as if the first were stored. */
export function outlives(later: Version, earlier: Version, staleness: CommitOptions["staleness"]): boolean {
  const judgement = judgeVersion(earlier, later, staleness);
  return judgement === "newer" || judgement === "fetched-later";
}

/** A fetch time as it stands in `seen` marks: base 36, of fixed width, so that text order is time order. */
export const markTime = (fetchedAt: number): string => fetchedAt.toString(36).padStart(11, "0");
