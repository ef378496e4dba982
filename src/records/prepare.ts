/** An incoming record made ready to be judged and written: canonical bytes, fields, digests. */
import { canonicalJson } from "../core/json.ts";
import { parseTime } from "../core/time.ts";
import type { CanonicalField, CanonicalWriter } from "./canonicalWriter.ts";
import { encodeField, hashField, SMALL_FIELD_BYTES } from "./codec.ts";
import type { CommitOptions, IncomingRecord } from "./contract.ts";
import type { IncomingField } from "./diff.ts";
import { DIGEST_VERSION, fieldDigest, recordDigest } from "./digest.ts";
import type { FrameWriter } from "./frame.ts";
import { outlives, type Version } from "./staleness.ts";

/** An incoming record with its version read and its aliases in order. */
export interface Candidate extends Version {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly data: IncomingRecord["data"];
}

/** One candidate an id: of several copies the one that outlives the others. */
export function candidatesOf(
  records: readonly IncomingRecord[],
  staleness: CommitOptions["staleness"],
): Candidate[] {
  const byId = new Map<string, Candidate>();
  for (const { id, lastModified, aliases, data, fetchedAt } of records) {
    const candidate = {
      id,
      data,
      fetchedAt,
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
  readonly bytes: Buffer;
  readonly fields: readonly CanonicalField[];
  readonly digest: string;
}

/** The record's digest covers its aliases too: they belong to what is stored of it. */
export function prepare(writer: CanonicalWriter, candidate: Candidate): Prepared {
  const fields = writer.writeRecord(candidate.data);
  if (candidate.aliases.length > 0) writer.append(canonicalJson(candidate.aliases));
  const bytes = writer.bytes.subarray(0, writer.length);
  return { candidate, bytes, fields, digest: recordDigest(bytes) };
}

/** The same with bytes of its own, for what must outlive the writer's next record. */
export const detach = (prepared: Prepared): Prepared => ({ ...prepared, bytes: Buffer.from(prepared.bytes) });

const isSmall = ({ start, end }: CanonicalField): boolean => end - start <= SMALL_FIELD_BYTES;

/** Digest of each large field, in the order of `fields`. */
export const largeDigests = ({ bytes, fields }: Prepared): string[] =>
  fields.filter((field) => !isSmall(field)).map(({ start, end }) => fieldDigest(bytes.subarray(start, end)));

/** The fields as a diff wants them. */
export function incomingFields({ bytes, fields }: Prepared, digests: readonly string[]): IncomingField[] {
  let next = 0;
  return fields.map((field) =>
    isSmall(field)
      ? { name: field.name, text: bytes.toString("utf8", field.start, field.end) }
      : { name: field.name, digest: digests[next++]! },
  );
}

/**
 * Writes the head without its times (see codec.ts): the small fields straight out of the canonical bytes, then name and
 * digest of the large ones.
 */
export function writeHeadBody(
  frame: FrameWriter,
  { candidate, bytes, fields }: Prepared,
  digests: readonly string[],
): void {
  frame.raw(`[${DIGEST_VERSION},${canonicalJson(candidate.aliases)},{`);
  let first = true;
  for (const field of fields) {
    if (!isSmall(field)) continue;
    if (!first) frame.raw(",");
    frame.rawBytes(bytes, field.memberStart, field.end);
    first = false;
  }
  frame.raw("},{");
  let next = 0;
  for (const field of fields) {
    if (isSmall(field)) continue;
    if (next > 0) frame.raw(",");
    frame.rawBytes(bytes, field.memberStart, field.start);
    frame.raw(`"${digests[next++]}"`);
  }
  frame.raw("}]");
}

/** Writes name and stored value of the large fields wanted; returns how many bytes the values took. */
export function writeLargeFields(
  frame: FrameWriter,
  { bytes, fields }: Prepared,
  wanted?: ReadonlySet<string>,
): number {
  let written = 0;
  for (const field of fields) {
    if (isSmall(field) || (wanted && !wanted.has(field.name))) continue;
    const { codec, bytes: stored } = encodeField(bytes.subarray(field.start, field.end));
    frame.text(hashField(field.name)).tagged(codec, stored);
    written += 1 + stored.length;
  }
  return written;
}
