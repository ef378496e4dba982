/**
 * Cursors of the change feed: for each provider the number of the last entry read and, as a fingerprint, when that entry
 * was written. A store that lost its last second and counted on differs in the time, so a cursor of the lost history is
 * recognised.
 */
import { UeeError } from "../core/errors.ts";

export interface Position {
  readonly seq: number;
  /** µs; absent where the entry was not seen. */
  readonly at?: string;
}

export type Positions = ReadonlyMap<string, Position>;

const PATTERN = /^1(?:;[a-z][a-z0-9]*,\d{1,15},\d{0,16})*$/;

export const formatCursor = (positions: Positions): string =>
  Buffer.from(
    [
      "1",
      ...[...positions]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { seq, at = "" }]) => `${name},${seq},${at}`),
    ].join(";"),
  ).toString("base64url");

/** Throws STOR_CURSOR_INVALID. */
export function parseCursor(cursor: string): Positions {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  if (!PATTERN.test(text))
    throw new UeeError("STOR_CURSOR_INVALID", `'${cursor}' is not a cursor of the change feed.`);
  const positions = new Map<string, Position>();
  for (const part of text.split(";").slice(1)) {
    const [name, seq, at] = part.split(",") as [string, string, string];
    positions.set(name, at === "" ? { seq: Number(seq) } : { seq: Number(seq), at });
  }
  return positions;
}
