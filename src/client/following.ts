/** The change feed as an iterator that outlasts a Redis that is away: it goes on after the last entry it gave. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import type { Engine } from "../engine/api.ts";
import type { ChangeEntry } from "../records/contract.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";

export interface ChangesOptions {
  /** Go on after the entry that carried this cursor; without: from the feed's beginning. */
  since?: string;
  /** Only changes of these providers; the others keep their places in the cursor. */
  providers?: string[];
  /** Wait for more at the feed's end; ends when the signal fires. */
  follow?: boolean;
  signal?: AbortSignal;
}

const AGAIN_MS = 500;

/**
 * Every entry carries the cursor to go on from. Rejects with STOR_CURSOR_TRIMMED when the feed no longer reaches back to
 * the cursor, with STOR_CURSOR_INVALID when it is none or of another store: there is never a gap.
 */
export async function* followChanges(
  engine: Engine,
  options: ChangesOptions,
  ended: AbortSignal,
): AsyncGenerator<ChangeEntry, void, undefined> {
  const { since, signal, ...rest } = options;
  const either = signal ? AbortSignal.any([signal, ended]) : ended;
  let cursor = since;
  for (;;) {
    try {
      const from = cursor === undefined ? {} : { since: cursor };
      for await (const entry of engine.records.changes({ ...rest, ...from, signal: either })) {
        if (either.aborted) break;
        cursor = entry.cursor;
        yield entry;
      }
      if (signal?.aborted || !ended.aborted) return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!ended.aborted && !isRedisTrouble(error)) throw error;
      if (!ended.aborted && !options.follow) throw mapRedisError(error);
    }
    if (ended.aborted)
      throw ended.reason instanceof UeeError ? ended.reason : new UeeError("SYS_INTERRUPTED");
    await sleep(AGAIN_MS, undefined, { signal: either }).catch(() => undefined);
  }
}
