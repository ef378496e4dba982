/**
 * Digests of records. Both are cut-off SHA-256: upstream content is public and may be shaped by anyone, so a fast
 * non-cryptographic hash would let two texts be made that look equal.
 */
import { hash } from "node:crypto";

/** Raise it when canonical forms are computed differently: stored records are then compared by content, once. */
export const DIGEST_VERSION = 1;

export const DIGEST_BYTES = 14;

/**
 * The digest of a record's source text, latin-1. Its first byte is the provider's version: the same text means the same
 * record only while it is transformed in the same way.
 */
export const textDigestOf = (text: Buffer, providerVersion: number): string =>
  String.fromCharCode(1 + (providerVersion % 255)) +
  hash("sha256", text, "binary").slice(0, DIGEST_BYTES - 1);

/** As a latin-1 string of 14 characters: strings compare faster than Buffers and pack as they are. */
export const digestOf = (bytes: Buffer): string => hash("sha256", bytes, "binary").slice(0, DIGEST_BYTES);
