/**
 * The index entry of a live record: everything that a commit must know to compare an incoming version, and the times that
 * readers show. The index is at once the set of live ids and the base of every compare-and-set.
 *
 * An entry is a latin-1 string, one character a byte, numbers big endian, never longer than 64 bytes: Redis keeps a hash
 * compact while its values are no longer than that (`hash-max-listpack-value`). There are two kinds:
 *
 *   referenced  kind 1, digest version 1, record digest 14, text digest 14, fetchedAt (µs) 7, lastModified (ms + 10^14,
 *               0 none) 7 | firstSeen (ms) 6, lastChanged (ms) 6
 *   inline      kind 1, fetchedAt 7 | firstSeen 6, lastChanged 6 | the record's content (content.ts)
 *
 * The commit script writes the two times, by Redis TIME; the caller sends the parts around them. A record without
 * `lastModified` whose content fits is inline and has no other key. The text digest is that of the record's source text:
 * equal source texts need no parsing. The record digest is that of its canonical form. One of the two may be unknown, zeros:
 * a record with a source text is compared by its content where the text differs.
 */
import { UeeError } from "../core/errors.ts";
import { DIGEST_BYTES } from "./digest.ts";

export interface Versions {
  /** µs by Redis TIME. */
  readonly fetchedAt: number;
  /** ms since the epoch. */
  readonly lastModified: number | undefined;
}

export interface Digests {
  readonly version: number;
  /** 14 bytes as latin-1; empty where it is not known: then the text has one. */
  readonly record: string;
  /** 14 bytes as latin-1; empty where it is not known. */
  readonly text: string;
}

interface Times {
  /** ms by Redis TIME. */
  readonly firstSeen: number;
  readonly lastChanged: number;
}

export type IndexEntry = Versions &
  Times &
  (
    | { readonly digests: Digests; readonly inline?: undefined }
    /** The content of an inline record, latin-1. */
    | { readonly digests?: undefined; readonly inline: string }
  );

const REFERENCED = 2;
const INLINE = 3;
const NEWEST_KIND = INLINE;

const DIGEST_AT = 2;
const TEXT_DIGEST_AT = DIGEST_AT + DIGEST_BYTES;
const FETCHED_AT = TEXT_DIGEST_AT + DIGEST_BYTES;
const MODIFIED_AT = FETCHED_AT + 7;
const TIMES_AT = MODIFIED_AT + 7;
const TIMES_BYTES = 12;
const INLINE_TIMES_AT = 8;
const INLINE_CONTENT_AT = INLINE_TIMES_AT + TIMES_BYTES;
const MOST_BYTES = 64;

const NO_DIGEST = "\0".repeat(DIGEST_BYTES);
/** Makes every time of the years 0 to 9999 a positive number, so that 0 is free for "none". */
const TIME_OFFSET = 1e14;
const HIGH = 2 ** 32;

const scratch = Buffer.alloc(MOST_BYTES);

function writeUint56(value: number, at: number): void {
  scratch.writeUIntBE(Math.floor(value / HIGH), at, 3);
  scratch.writeUInt32BE(value % HIGH, at + 3);
}

/** A big endian number of `bytes` bytes. */
function readUint(packed: string, at: number, bytes: number): number {
  let value = 0;
  for (let i = at; i < at + bytes; i++) value = value * 256 + packed.charCodeAt(i);
  return value;
}

/** The part of a referenced record's entry before its times. */
export function packReferenced({ fetchedAt, lastModified }: Versions, digests: Digests): string {
  scratch[0] = REFERENCED;
  scratch[1] = digests.version;
  scratch.write(digests.record === "" ? NO_DIGEST : digests.record, DIGEST_AT, DIGEST_BYTES, "latin1");
  scratch.write(digests.text === "" ? NO_DIGEST : digests.text, TEXT_DIGEST_AT, DIGEST_BYTES, "latin1");
  writeUint56(fetchedAt, FETCHED_AT);
  writeUint56(lastModified === undefined ? 0 : lastModified + TIME_OFFSET, MODIFIED_AT);
  return scratch.toString("latin1", 0, TIMES_AT);
}

/** Whether a record with content of this many bytes lies in its entry. */
export const fitsInline = (contentBytes: number, lastModified: number | undefined): boolean =>
  lastModified === undefined && INLINE_CONTENT_AT + contentBytes <= MOST_BYTES;

/** The part of an inline record's entry before its times; the content follows them. */
export function packInline({ fetchedAt }: Pick<Versions, "fetchedAt">): string {
  scratch[0] = INLINE;
  writeUint56(fetchedAt, 1);
  return scratch.toString("latin1", 0, INLINE_TIMES_AT);
}

/** The times as the commit script writes them. */
export function packTimes({ firstSeen, lastChanged }: Times): string {
  scratch.writeUIntBE(firstSeen, 0, 6);
  scratch.writeUIntBE(lastChanged, 6, 6);
  return scratch.toString("latin1", 0, TIMES_BYTES);
}

/** @throws UeeError SYS_SCHEMA_NEWER, STOR_CORRUPT */
export function unpackIndexEntry(packed: string): IndexEntry {
  const kind = packed.charCodeAt(0);
  if (kind > NEWEST_KIND) {
    throw new UeeError("SYS_SCHEMA_NEWER", `An index entry has layout ${kind}; known is ${NEWEST_KIND}.`);
  }
  const size = packed.length;
  if (kind === REFERENCED && size === TIMES_AT + TIMES_BYTES) {
    const modified = readUint(packed, MODIFIED_AT, 7);
    const record = packed.slice(DIGEST_AT, TEXT_DIGEST_AT);
    const text = packed.slice(TEXT_DIGEST_AT, FETCHED_AT);
    return {
      digests: {
        version: packed.charCodeAt(1),
        record: record === NO_DIGEST ? "" : record,
        text: text === NO_DIGEST ? "" : text,
      },
      fetchedAt: readUint(packed, FETCHED_AT, 7),
      lastModified: modified === 0 ? undefined : modified - TIME_OFFSET,
      firstSeen: readUint(packed, TIMES_AT, 6),
      lastChanged: readUint(packed, TIMES_AT + 6, 6),
    };
  }
  if (kind === INLINE && size > INLINE_CONTENT_AT && size <= MOST_BYTES) {
    return {
      inline: packed.slice(INLINE_CONTENT_AT),
      fetchedAt: readUint(packed, 1, 7),
      lastModified: undefined,
      firstSeen: readUint(packed, INLINE_TIMES_AT, 6),
      lastChanged: readUint(packed, INLINE_TIMES_AT + 6, 6),
    };
  }
  throw new UeeError("STOR_CORRUPT", `An index entry of kind ${kind} and ${size} bytes cannot be read.`);
}
