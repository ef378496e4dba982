/**
 * Digests over canonical JSON (keys sorted), so that key order and white space never count as a change.
 *
 * The record's digest answers "is it the same?" with one compare; a field's says which top-level fields differ. Both are
 * cut-off SHA-256: upstream content is public and anybody may shape it, so a fast non-cryptographic hash would let two
 * texts be made that look equal.
 */
import { hash } from "node:crypto";

/** Raise it when digests are computed differently: stored records are then compared by content, once. */
export const DIGEST_VERSION = 1;

export const RECORD_DIGEST_BYTES = 16;

/** 16 bytes as a latin-1 string of 16 characters: strings compare faster than Buffers and pack as they are. */
export const recordDigest = (canonical: Buffer): string =>
  hash("sha256", canonical, "binary").slice(0, RECORD_DIGEST_BYTES);

/** 12 bytes in base64: 16 characters. */
export const fieldDigest = (canonical: Buffer): string => hash("sha256", canonical, "base64").slice(0, 16);
