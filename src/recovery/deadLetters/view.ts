/** Where lists of dead letters begin and go on. */
import { UeeError } from "../../core/errors.ts";
import type { DeadLetterFilter } from "./api.ts";
import type { IndexFilter, IndexPlace } from "./deadLetterStore.ts";

/** Ages become times, by Redis' clock. */
export const toLetterFilter = (
  { code, class: name, state, olderThanMs, newerThanMs }: DeadLetterFilter,
  nowMs: number,
): IndexFilter => ({
  ...(code === undefined ? {} : { code }),
  ...(name === undefined ? {} : { class: name }),
  ...(state === undefined ? {} : { state }),
  ...(olderThanMs === undefined ? {} : { before: nowMs - olderThanMs }),
  ...(newerThanMs === undefined ? {} : { after: nowMs - newerThanMs }),
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
