/**
 * Where the index entry of an id lies. The index is a fixed number of small hashes: while a hash has at most 512 entries
 * of at most 64 bytes, Redis keeps it in one compact allocation (`hash-max-listpack-entries`, `hash-max-listpack-value`),
 * which takes half the memory of one large hash. 4,096 of them hold two million ids that way; beyond, they still work.
 */

/** Part of the stored layout: a change needs a migration. */
export const INDEX_BUCKETS = 4096;

/** FNV-1a over UTF-16 code units. */
export function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) {
    hash ^= id.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  // The low bits of similar ids are alike; the high ones mix them.
  return (hash ^ (hash >>> 15)) & (INDEX_BUCKETS - 1);
}
