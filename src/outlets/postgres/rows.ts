/** Records as rows of `uee.record`. */
import { canonicalJson, type JsonObject } from "../../core/json.ts";
import { sha256 } from "../../core/sha256.ts";
import { formatTime, parseTime } from "../../core/time.ts";
import type { StoredRecord } from "../../records/contract.ts";

export interface Row {
  provider: string;
  id: string;
  urn: string;
  last_modified: string | null;
  first_seen: string;
  last_changed: string;
  /** Hexadecimal. */
  digest: string;
  /** JSON that jsonb takes. */
  data: string;
  exact: string | null;
}

/** In the order of the columns that a row has. */
export const COLUMNS = [
  "provider",
  "id",
  "urn",
  "last_modified",
  "first_seen",
  "last_changed",
  "digest",
  "data",
  "exact",
] as const satisfies readonly (keyof Row)[];

export function rowOf({ provider, id, urn, firstSeen, lastChanged, data }: StoredRecord): Row {
  const canonical = canonicalJson(data);
  const inexact = /\\u0000|\\ud[89a-f]|[:,[]-0[,}\]]/i.test(canonical);
  return {
    ...{
      provider,
      id,
      urn,
      last_modified: lastModifiedOf(data),
      first_seen: firstSeen,
      last_changed: lastChanged,
    },
    digest: sha256(canonical),
    data: inexact ? forJsonb(canonical) : canonical,
    exact: inexact ? canonical : null,
  };
}

/** jsonb refuses NUL and lone surrogates: U+FFFD stands for each. A backslash and what follows it are read together. */
const forJsonb = (canonical: string): string =>
  canonical.replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/gis, (whole, what: string) =>
    what.length > 1 ? "\\ufffd" : whole,
  );

/** A timestamp in PostgreSQL takes years 1 to 9999. Any other `lastModified` is NULL in its column; `data` has its text. */
const readable = (ms: number): boolean =>
  ms >= Date.parse("0001-01-01T00:00:00Z") && ms < Date.parse("+010000-01-01T00:00:00Z");

function lastModifiedOf(data: JsonObject): string | null {
  const ms = parseTime(data.lastModified ?? data.modified);
  return ms !== undefined && readable(ms) ? formatTime(ms) : null;
}

/** A line of COPY in text format. */
export const copyLine = (row: Row): string =>
  `${COLUMNS.map((name) => {
    const value = row[name];
    if (value === null) return "\\N";
    const text = name === "digest" ? `\\x${value}` : value;
    return text.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char]!);
  }).join("\t")}\n`;

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
