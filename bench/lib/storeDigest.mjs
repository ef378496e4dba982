// One digest over everything that a provider's store holds, read with plain commands: record hashes, index, change feed.
import { createHash } from "node:crypto";

/** Digest of all records and their index, and how many change entries there are. */
export async function storeDigest(redis, keys) {
  const found = [];
  let cursor = "0";
  do {
    const [next, page] = await redis.scan(
      cursor,
      "MATCH",
      `${escapeGlob(keys.recordPrefix)}*`,
      "COUNT",
      5_000,
    );
    found.push(...page);
    cursor = next;
  } while (cursor !== "0");
  const names = [...new Set(found)].sort();
  const digest = createHash("sha256");
  for (let at = 0; at < names.length; at += 500) {
    const pipeline = redis.pipeline();
    const some = names.slice(at, at + 500);
    for (const name of some) pipeline.hgetallBuffer(name);
    const hashes = await pipeline.exec();
    some.forEach((name, i) => {
      digest.update(name);
      addHash(digest, hashes[i][1]);
    });
  }
  addHash(digest, await redis.hgetallBuffer(keys.index));
  return { records: names.length, digest: digest.digest("hex"), changes: await redis.xlen(keys.changes) };
}

function addHash(digest, hash) {
  for (const name of Object.keys(hash).sort()) digest.update(`\0${name}\0`).update(hash[name]);
}

const escapeGlob = (text) => text.replace(/[\\*?[\]]/g, "\\$&");
