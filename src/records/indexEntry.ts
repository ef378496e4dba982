/**
 * The index entry of a live record: 32 bytes that say everything a commit must know to judge an incoming version.
 * It is at once the set of live ids, the one compare for "unchanged" and the base of every compare-and-set.
 *
 * Layout (big endian): entry version 1, digest version 1, record digest 16, fetchedAt (µs) 7, lastModified (ms + 10^14,
 * 0 for none) 7. Kept as a latin-1 string: one character a byte.
 */
import { UeeError } from "../core/errors.ts";
import { RECORD_DIGEST_BYTES } from "./digest.ts";

export interface IndexEntry {
  readonly digestVersion: number;
  /** 16 bytes as latin-1. */
  readonly digest: string;
  /** µs by Redis TIME. */
  readonly fetchedAt: number;
  /** ms since the epoch. */
  readonly lastModified: number | undefined;
}

export const ENTRY_VERSION = 1;
const ENTRY_BYTES = 2 + RECORD_DIGEST_BYTES + 7 + 7;
/** Makes every time of the years 0 to 9999 a positive number, so that 0 is free for "none". */
const TIME_OFFSET = 1e14;
const HIGH = 2 ** 32;

const scratch = Buffer.alloc(ENTRY_BYTES);

function writeUint56(value: number, at: number): void {
  scratch.writeUIntBE(Math.floor(value / HIGH), at, 3);
  scratch.writeUInt32BE(value % HIGH, at + 3);
}

const readUint56 = (at: number): number => scratch.readUIntBE(at, 3) * HIGH + scratch.readUInt32BE(at + 3);

export function packIndexEntry(entry: IndexEntry): string {
  scratch[0] = ENTRY_VERSION;
  scratch[1] = entry.digestVersion;
  scratch.write(entry.digest, 2, RECORD_DIGEST_BYTES, "latin1");
  writeUint56(entry.fetchedAt, 18);
  writeUint56(entry.lastModified === undefined ? 0 : entry.lastModified + TIME_OFFSET, 25);
  return scratch.toString("latin1");
}

/** Throws SYS_SCHEMA_NEWER or STOR_CORRUPT. */
export function unpackIndexEntry(packed: string): IndexEntry {
  const version = packed.charCodeAt(0);
  if (version > ENTRY_VERSION) {
    throw new UeeError(
      "SYS_SCHEMA_NEWER",
      `An index entry has version ${version}; known is ${ENTRY_VERSION}.`,
    );
  }
  if (version !== ENTRY_VERSION || packed.length !== ENTRY_BYTES) {
    throw new UeeError("STOR_CORRUPT", `An index entry of ${packed.length} bytes cannot be read.`);
  }
  scratch.write(packed, "latin1");
  const time = readUint56(25);
  return {
    digestVersion: scratch[1]!,
    digest: packed.slice(2, 2 + RECORD_DIGEST_BYTES),
    fetchedAt: readUint56(18),
    lastModified: time === 0 ? undefined : time - TIME_OFFSET,
  };
}
