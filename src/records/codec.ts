/**
 * How a record lies in its Redis hash.
 *
 *  - `h`, the head: version (1 byte), firstSeen and lastChanged (6 bytes each, ms, big endian; the commit script writes
 *    them, by Redis TIME), then the JSON text `[digestVersion, aliases, small, large]`: `small` holds the small fields
 *    themselves, `large` the digest of each large one.
 *  - `f:<name>`, one per large field: a codec byte, then the field's canonical JSON, plain or deflated.
 *
 * A hash field costs Redis about 60 bytes, so small fields ride in the head; large ones stand alone, so that a change
 * writes only them. Names come from upstream and may be anything: the prefix keeps them off `h`, JSON's own escaping
 * carries what UTF-8 cannot (lone surrogates).
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { UeeError } from "../core/errors.ts";
import { canonicalJson, type JsonObject } from "../core/json.ts";

/** Canonical values up to this many bytes ride in the head. */
export const SMALL_FIELD_BYTES = 128;
/** Below this, compression costs more time than the memory is worth (see docs/decisions/0001-record-layout.md). */
export const DEFLATE_FROM_BYTES = 1536;
/** Deflated only when it saves at least an eighth. */
const WORTHWHILE = 7 / 8;

export const HEAD_FIELD = "h";
export const HEAD_VERSION = 1;
const HEAD_TIMES = 1;
const HEAD_BODY = 13;

const PLAIN = 0x6a;
const DEFLATED = 0x7a;

export interface RecordHead {
  readonly firstSeen: number;
  readonly lastChanged: number;
  readonly digestVersion: number;
  readonly aliases: readonly string[];
  /** Small fields, as values. */
  readonly small: JsonObject;
  /** Name of each large field → its digest. */
  readonly large: ReadonlyMap<string, string>;
}

const hashFields = new Map<string, string>();
const CACHED_NAMES = 4096;
const CACHED_LENGTH = 128;

/** The name of a record's field as a name of a hash field; the names of a feed are few, so they are kept. */
export function hashField(name: string): string {
  let field = hashFields.get(name);
  if (field === undefined) {
    field = `f:${canonicalJson(name).slice(1, -1)}`;
    if (hashFields.size < CACHED_NAMES && name.length <= CACHED_LENGTH) hashFields.set(name, field);
  }
  return field;
}

/** Throws SYS_SCHEMA_NEWER or STOR_CORRUPT. */
export function decodeHead(id: string, bytes: Buffer): RecordHead {
  const version = bytes[0];
  if (version !== undefined && version > HEAD_VERSION) {
    throw new UeeError("SYS_SCHEMA_NEWER", `Record ${id} has layout ${version}; known is ${HEAD_VERSION}.`);
  }
  try {
    const [digestVersion, aliases, small, large] = JSON.parse(bytes.toString("utf8", HEAD_BODY)) as [
      number,
      string[],
      JsonObject,
      Record<string, string>,
    ];
    return {
      firstSeen: bytes.readUIntBE(HEAD_TIMES, 6),
      lastChanged: bytes.readUIntBE(HEAD_TIMES + 6, 6),
      digestVersion,
      aliases,
      small,
      large: new Map(Object.entries(large)),
    };
  } catch (cause) {
    throw new UeeError("STOR_CORRUPT", `The head of record ${id} cannot be read.`, { cause });
  }
}

export interface EncodedField {
  readonly codec: number;
  readonly bytes: Buffer;
}

export function encodeField(canonical: Buffer): EncodedField {
  if (canonical.length >= DEFLATE_FROM_BYTES) {
    // An 8 KB window, small tables and one output chunk: zlib's defaults allocate and clear 256 KB a call.
    const deflated = deflateRawSync(canonical, {
      level: 1,
      windowBits: 13,
      memLevel: 6,
      chunkSize: canonical.length,
    });
    if (deflated.length <= canonical.length * WORTHWHILE) return { codec: DEFLATED, bytes: deflated };
  }
  return { codec: PLAIN, bytes: canonical };
}

/** The field's canonical JSON. Throws STOR_CORRUPT. */
export function decodeField(id: string, name: string, stored: Buffer | undefined): string {
  const codec = stored?.[0];
  try {
    if (stored && codec === PLAIN) return stored.toString("utf8", 1);
    if (stored && codec === DEFLATED) return inflateRawSync(stored.subarray(1)).toString("utf8");
  } catch (cause) {
    throw new UeeError("STOR_CORRUPT", `Field ${name} of record ${id} cannot be inflated.`, { cause });
  }
  throw new UeeError(
    "STOR_CORRUPT",
    `Field ${name} of record ${id} is ${stored ? `of an unknown codec, ${codec}` : "gone"}.`,
  );
}

/** Sets a member as JSON.parse does: `__proto__` becomes a property like any other. */
function setMember(object: JsonObject, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}

/** The record as JSON.parse gave it, but for the order of keys (sorted at the top level). Throws STOR_CORRUPT. */
export function decodeRecord(id: string, head: RecordHead, hash: Record<string, Buffer>): JsonObject {
  const data: JsonObject = {};
  for (const name of [...Object.keys(head.small), ...head.large.keys()].sort()) {
    if (!head.large.has(name)) {
      setMember(data, name, head.small[name]);
      continue;
    }
    const text = decodeField(id, name, hash[hashField(name)]);
    try {
      setMember(data, name, JSON.parse(text));
    } catch (cause) {
      throw new UeeError("STOR_CORRUPT", `Field ${name} of record ${id} is not JSON.`, { cause });
    }
  }
  return data;
}
