/**
 * Reads the record layout of schema version 1, which a store may still hold while it is migrated:
 *
 *  - index    HASH id → 32 bytes: entry version 1, digest version 1, record digest 16, fetchedAt (µs) 7, lastModified
 *             (ms + 10^14, 0 none) 7, big endian.
 *  - record   HASH: `h`, the head: version 1, firstSeen 6, lastChanged 6 (ms), then `[digestVersion, aliases, small, large]`
 *             as JSON; `f:<name>` for each name in `large`: a codec byte (`j` plain, `z` raw deflate) and canonical JSON.
 */
import { inflateRawSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import { canonicalJson, type JsonObject } from "../../core/json.ts";
import { setMember } from "../content.ts";

export interface Layout1Record {
  readonly data: JsonObject;
  readonly aliases: readonly string[];
  /** ms by Redis TIME. */
  readonly firstSeen: number;
  readonly lastChanged: number;
}

export interface Layout1Entry {
  readonly digestVersion: number;
  /** 16 bytes as latin-1. */
  readonly digest: string;
  readonly fetchedAt: number;
  readonly lastModified: number | undefined;
}

const ENTRY_BYTES = 32;
const TIME_OFFSET = 1e14;
const HEAD_BODY = 13;
const PLAIN = 0x6a;
const DEFLATED = 0x7a;

const uint56 = (bytes: Buffer, at: number): number =>
  bytes.readUIntBE(at, 3) * 2 ** 32 + bytes.readUInt32BE(at + 3);

/** @throws UeeError STOR_CORRUPT */
export function readLayout1Entry(packed: Buffer): Layout1Entry {
  if (packed.length !== ENTRY_BYTES || packed[0] !== 1) {
    throw new UeeError("STOR_CORRUPT", `An index entry of ${packed.length} bytes cannot be read.`);
  }
  const modified = uint56(packed, 25);
  return {
    digestVersion: packed[1]!,
    digest: packed.toString("latin1", 2, 18),
    fetchedAt: uint56(packed, 18),
    lastModified: modified === 0 ? undefined : modified - TIME_OFFSET,
  };
}

/** @throws UeeError STOR_CORRUPT */
export function readLayout1Record(id: string, hash: Record<string, Buffer>): Layout1Record {
  const head = hash.h;
  if (head === undefined) throw new UeeError("STOR_CORRUPT", `Record ${id} has no head.`);
  try {
    const [, aliases, small, large] = JSON.parse(head.toString("utf8", HEAD_BODY)) as [
      number,
      string[],
      JsonObject,
      Record<string, string>,
    ];
    const data: JsonObject = {};
    for (const name of [...Object.keys(small), ...Object.keys(large)].sort()) {
      const value = Object.hasOwn(large, name) ? fieldOf(hash, name) : small[name];
      setMember(data, name, value);
    }
    return { data, aliases, firstSeen: head.readUIntBE(1, 6), lastChanged: head.readUIntBE(7, 6) };
  } catch (cause) {
    throw new UeeError("STOR_CORRUPT", `Record ${id} of the older layout cannot be read.`, { cause });
  }
}

function fieldOf(hash: Record<string, Buffer>, name: string): unknown {
  const stored = hash[`f:${canonicalJson(name).slice(1, -1)}`];
  if (stored?.[0] === PLAIN) return JSON.parse(stored.toString("utf8", 1));
  if (stored?.[0] === DEFLATED) return JSON.parse(inflateRawSync(stored.subarray(1)).toString("utf8"));
  throw new Error(`the field ${name} is ${stored ? "of an unknown codec" : "gone"}`);
}
