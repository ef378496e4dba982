/** An incoming record made ready to be compared and written: canonical bytes, fields, digest. */
import { canonicalJson, type JsonObject } from "../core/json.ts";
import type { Link } from "../core/links.ts";
import { parseTime } from "../core/time.ts";
import type { CanonicalField, CanonicalWriter } from "./canonicalWriter.ts";
import type { CommitOptions, IncomingRecord } from "./contract.ts";
import { digestOf } from "./digest.ts";
import { outlives, type Version } from "./staleness.ts";

/** An incoming record with its version read and its aliases in order. */
export interface Candidate extends Version {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly data: JsonObject | Buffer;
  readonly links: readonly Link[] | undefined;
  /** The index entry that was read, latin-1, empty for none; undefined where it must be read. */
  entry: string | undefined;
}

export const dataOf = ({ data }: Pick<Candidate, "data">): JsonObject =>
  Buffer.isBuffer(data) ? (JSON.parse(data.toString("utf8")) as JsonObject) : data;

/** One candidate an id: of several copies the one that outlives the others. */
export function candidatesOf(
  records: readonly IncomingRecord[],
  staleness: CommitOptions["staleness"],
): Candidate[] {
  const byId = new Map<string, Candidate>();
  for (const { id, lastModified, aliases, data, links, fetchedAt, entry } of records) {
    const candidate = {
      id,
      data,
      links,
      fetchedAt,
      entry,
      lastModified: parseTime(lastModified),
      aliases: aliases.length > 1 ? [...new Set(aliases)].sort() : aliases,
    };
    const earlier = byId.get(id);
    if (!earlier || outlives(candidate, earlier, staleness)) byId.set(id, candidate);
  }
  return [...byId.values()];
}

/** A record's canonical form. `bytes` may be the writer's own: valid until it writes the next record. */
export interface Prepared {
  readonly candidate: Candidate;
  /** The record's canonical JSON. */
  readonly bytes: Buffer;
  readonly fields: readonly CanonicalField[];
  /** Covers the aliases too: they belong to what is stored of the record. */
  readonly digest: string;
}

export function prepare(writer: CanonicalWriter, candidate: Candidate): Prepared {
  const fields = writer.writeRecord(dataOf(candidate));
  const size = writer.length;
  if (candidate.aliases.length > 0) writer.append(canonicalJson(candidate.aliases));
  const digest = digestOf(writer.bytes.subarray(0, writer.length));
  return { candidate, bytes: writer.bytes.subarray(0, size), fields, digest };
}

/** The same with bytes of its own, for what must outlive the writer's next record. */
export const detach = (prepared: Prepared): Prepared => ({ ...prepared, bytes: Buffer.from(prepared.bytes) });
