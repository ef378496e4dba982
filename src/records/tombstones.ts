/** What stays of a removed record: when it went, why, and since when it had been known. */
import { UeeError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { formatTime } from "../core/time.ts";
import type { Tombstone } from "./contract.ts";

export interface StoredTombstone {
  /** µs by the provider's clock. */
  readonly at: number;
  readonly reason: string;
  readonly runId: string;
  readonly firstSeen: string;
}

/** The stored JSON but for its start, `{"at":<µs>,`, which the removing script writes. */
export const tombstoneTail = (reason: string, runId: string, firstSeen: number): string =>
  canonicalJson({ reason, runId, firstSeen: formatTime(firstSeen) }).slice(1);

/** Throws STOR_CORRUPT. */
export function parseTombstone(id: string, raw: string): StoredTombstone {
  try {
    return JSON.parse(raw) as StoredTombstone;
  } catch (cause) {
    throw new UeeError("STOR_CORRUPT", `The tombstone of ${id} cannot be read.`, { cause });
  }
}

export function readTombstone(id: string, raw: string): Tombstone {
  const { at, reason, runId, firstSeen } = parseTombstone(id, raw);
  return { id, removedAt: formatTime(Math.floor(at / 1000)), reason, runId, firstSeen };
}
