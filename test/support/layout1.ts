/** Writes records as UEE wrote them under schema version 1; see src/records/migration/layout1.ts. */
import { hash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import type { Redis } from "ioredis";
import { canonicalJson, type JsonObject } from "../../src/core/json.ts";
import type { ProviderKeys } from "../../src/redis/keys.ts";

export interface Layout1Given {
  id: string;
  data: JsonObject;
  aliases?: string[];
  fetchedAt: number;
  /** ms */
  lastModified?: number;
  firstSeen: number;
  lastChanged: number;
}

const SMALL_FIELD_BYTES = 128;
const DEFLATE_FROM_BYTES = 1536;

export async function writeLayout1(
  redis: Redis,
  keys: ProviderKeys,
  records: readonly Layout1Given[],
): Promise<void> {
  for (const record of records) {
    const { id, data, aliases = [], fetchedAt, lastModified, firstSeen, lastChanged } = record;
    const small: string[] = [];
    const large: string[] = [];
    const fields: [string, Buffer][] = [];
    for (const name of Object.keys(data).sort()) {
      const text = Buffer.from(canonicalJson(data[name]));
      if (text.length <= SMALL_FIELD_BYTES) {
        small.push(`${canonicalJson(name)}:${text.toString()}`);
        continue;
      }
      large.push(`${canonicalJson(name)}:"${hash("sha256", text, "base64").slice(0, 16)}"`);
      const deflated = text.length >= DEFLATE_FROM_BYTES ? deflateRawSync(text, { level: 1 }) : text;
      const stored = deflated.length < text.length ? ["z", deflated] : ["j", text];
      const value = Buffer.concat([Buffer.from(stored[0] as string), stored[1] as Buffer]);
      fields.push([`f:${canonicalJson(name).slice(1, -1)}`, value]);
    }
    const times = Buffer.alloc(13);
    times[0] = 1;
    times.writeUIntBE(firstSeen, 1, 6);
    times.writeUIntBE(lastChanged, 7, 6);
    const head = Buffer.from(`[1,${canonicalJson(aliases)},{${small.join(",")}},{${large.join(",")}}]`);
    const whole = canonicalJson(data) + (aliases.length > 0 ? canonicalJson(aliases) : "");
    const entry = Buffer.alloc(32);
    entry[0] = 1;
    entry[1] = 1;
    entry.write(hash("sha256", Buffer.from(whole), "binary").slice(0, 16), 2, "latin1");
    writeUint56(entry, fetchedAt, 18);
    writeUint56(entry, lastModified === undefined ? 0 : lastModified + 1e14, 25);
    await redis.hset(keys.layout1.record(id), "h", Buffer.concat([times, head]), ...fields.flat());
    await redis.hset(keys.layout1.index, id, entry);
    await redis.zadd(keys.layout1.changed, lastChanged, id);
    for (const alias of aliases) await redis.sadd(keys.alias(alias), id);
  }
}

function writeUint56(bytes: Buffer, value: number, at: number): void {
  bytes.writeUIntBE(Math.floor(value / 2 ** 32), at, 3);
  bytes.writeUInt32BE(value % 2 ** 32, at + 3);
}
