/** A dead letter as people and scripts see it, and where lists of them go on. */
import { UeeError } from "../../core/errors.ts";
import type { DeadLetter, DeadLetterFilter } from "./api.ts";
import type { StoredDeadLetter } from "./deadLetter.ts";
import type { IndexFilter, IndexPlace } from "./deadLetterReads.ts";

export const toDeadLetter = (provider: string, letter: StoredDeadLetter): DeadLetter => ({
  id: letter.id,
  provider,
  kind: letter.kind,
  class: letter.class,
  state: letter.state,
  code: letter.code,
  message: letter.message,
  subject: letter.subject,
  runId: letter.runId,
  batch: letter.batch,
  size: letter.size,
  attempts: letter.attempts,
  replays: letter.replays,
  firstFailedAt: letter.firstFailedAt,
  lastFailedAt: letter.lastFailedAt,
  rawBytes: letter.rawBytes,
  jobId: letter.jobId === "" ? null : letter.jobId,
  replayRunId: letter.replay?.runId ?? null,
  lastAction: letter.lastAction,
});

/** Ages become times, by Redis' clock. */
export const toLetterFilter = (filter: DeadLetterFilter, nowMs: number): IndexFilter => ({
  ...(filter.code === undefined ? {} : { code: filter.code }),
  ...(filter.class === undefined ? {} : { class: filter.class }),
  ...(filter.state === undefined ? {} : { state: filter.state }),
  ...(filter.olderThanMs === undefined ? {} : { before: nowMs - filter.olderThanMs }),
  ...(filter.newerThanMs === undefined ? {} : { after: nowMs - filter.newerThanMs }),
});

/** The last dead letter of a page: newest failures first, then providers by name, then ids downwards. */
export interface Cursor {
  ms: number;
  provider: string;
  id: string;
}

export const writeCursor = ({ ms, provider, id }: Cursor): string =>
  Buffer.from(JSON.stringify([ms, provider, id])).toString("base64url");

/** @throws UeeError API_BAD_INPUT */
export function readCursor(text: string): Cursor {
  try {
    const [ms, provider, id] = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as unknown[];
    if (typeof ms === "number" && typeof provider === "string" && typeof id === "string")
      return { ms, provider, id };
  } catch {
    // Said below, as for any other text.
  }
  throw new UeeError("API_BAD_INPUT", "This is no cursor of a list of dead letters.");
}

/** Where a provider's letters go on after the cursor. Ids are ASCII: `~` is greater than all of them. */
export function placeAfter(cursor: Cursor | undefined, provider: string): IndexPlace | null {
  if (cursor === undefined) return null;
  if (provider === cursor.provider) return { ms: cursor.ms, id: cursor.id };
  return { ms: cursor.ms, id: provider > cursor.provider ? "~" : "" };
}

export const before = (a: Cursor, b: Cursor): boolean => {
  if (a.ms !== b.ms) return a.ms > b.ms;
  return a.provider === b.provider ? a.id > b.id : a.provider < b.provider;
};
