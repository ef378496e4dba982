// One digest over everything that a provider's store holds, read with plain commands: content, index, change feed.
import { createHash } from "node:crypto";

/** Digest of all records and their index, and how many change entries there are. */
export async function storeDigest(redis, keys) {
  const digest = createHash("sha256");
  const contents = await names(redis, keys.recordPrefix);
  for (let at = 0; at < contents.length; at += 500) {
    const some = contents.slice(at, at + 500);
    const lists = await Promise.all(some.map((name) => redis.lrangeBuffer(name, 0, -1)));
    some.forEach((name, i) => {
      digest.update(`\0${name}\0`);
      for (const element of lists[i]) digest.update(element);
    });
  }
  let records = 0;
  for (const name of await names(redis, keys.indexPrefix)) {
    const bucket = await redis.hgetallBuffer(name);
    for (const id of Object.keys(bucket).sort()) digest.update(`\0${id}\0`).update(bucket[id]);
    records += Object.keys(bucket).length;
  }
  return { records, digest: digest.digest("hex"), changes: await redis.xlen(keys.changes) };
}

async function names(redis, prefix) {
  const found = new Set();
  let cursor = "0";
  do {
    const [next, page] = await redis.scan(cursor, "MATCH", `${escapeGlob(prefix)}*`, "COUNT", 5_000);
    for (const name of page) found.add(name);
    cursor = next;
  } while (cursor !== "0");
  return [...found].sort();
}

const escapeGlob = (text) => text.replace(/[\\*?[\]]/g, "\\$&");
