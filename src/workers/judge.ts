/** What came of a fetch, record by record: transformed, or set aside as bad. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { toUeeError, UeeError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { parseTime } from "../core/time.ts";
import type { TransformedRecord } from "../providers/contract.ts";
import type { IncomingRecord } from "../records/contract.ts";
import { type BadRecord, deadLetterId } from "../recovery/badRecords.ts";
import type { ProviderContext } from "./context.ts";

export interface Judged {
  good: IncomingRecord[];
  bad: BadRecord[];
}

/** Judging goes on for so long at a time, ms: requests, lock renewals and heartbeats of this process come in between. */
const JUDGING_MS = 8;

/** Judges every raw record: good ones are transformed, a bad one is set aside alone. */
export async function judge(
  context: ProviderContext,
  raw: unknown[],
  fetchedAt: number,
  signal: AbortSignal,
): Promise<Judged> {
  const good: IncomingRecord[] = [];
  const bad: BadRecord[] = [];
  let pauseAt = performance.now() + JUDGING_MS;
  for (const item of raw) {
    if (performance.now() > pauseAt) {
      await nextTurn();
      signal.throwIfAborted();
      pauseAt = performance.now() + JUDGING_MS;
    }
    let record: TransformedRecord;
    try {
      record = context.provider.transform(item);
    } catch (thrown) {
      // What a schema refuses is a bad record as well; anything else is a fault of the provider's.
      const error = toUeeError(thrown);
      if (!(thrown instanceof UeeError) && error.code !== "VAL_SCHEMA") throw thrown;
      const text = JSON.stringify(item) ?? "null";
      const id = context.provider.identify(item);
      bad.push({
        deadLetterId: deadLetterId(context.provider.name, id, canonicalJson(item)),
        id,
        raw: text,
        code: error.code,
        message: error.detail,
        fetchedAt,
      });
      continue;
    }
    good.push({ ...record, fetchedAt });
  }
  return { good, bad };
}

/** What of a batch's records is newest, by their own lastModified. */
export function newestOf(records: IncomingRecord[]): { ms: number; text: string } | null {
  let newest: { ms: number; text: string } | null = null;
  for (const { lastModified } of records) {
    if (lastModified === null || (newest !== null && lastModified === newest.text)) continue;
    const ms = parseTime(lastModified);
    if (ms !== undefined && (newest === null || ms > newest.ms)) newest = { ms, text: lastModified };
  }
  return newest;
}
