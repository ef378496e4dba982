/**
 * Canonical JSON as UTF-8 bytes: byte for byte `Buffer.from(canonicalJson(value))` (core/json.ts), at a third of the
 * cost. This is the engine's hottest loop: every record received goes through it, changed or not. Building a string
 * means ropes, flattening and encoding; here short ASCII strings, most of a record, are copied char by char into one
 * buffer that is used again for the next record, and digests and compression read that buffer in place.
 */
import { canonicalJson, type JsonObject } from "../core/json.ts";

/** One top-level field of the record last written: its name and where it lies in `bytes`. */
export interface CanonicalField {
  readonly name: string;
  /** Where the member `"name":value` starts. */
  readonly memberStart: number;
  /** Where the value starts. */
  readonly start: number;
  readonly end: number;
}

const INITIAL_BYTES = 1 << 20;
/** A buffer that one giant record made grow is let go afterwards. */
const KEEP_BYTES = 4 << 20;
/** Longer strings are cheaper through native code than char by char. */
const SHORT_STRING = 64;
/** Keys, and scalars, whose bytes are kept. */
const CACHED = 4096;
/** Longer ones are no names that come again; kept, they would cost their length. */
const CACHED_LENGTH = 128;

const QUOTE = 0x22;
const COMMA = 0x2c;

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters that JSON.stringify escapes
const needsEscape = /[\u0000-\u001f"\\\ud800-\udfff]/;

/** 1 for the ASCII characters that stand for themselves in JSON. */
const plainAscii = new Uint8Array(128).fill(1, 0x20);
plainAscii[QUOTE] = 0;
plainAscii[0x5c] = 0;

function sortKeys(keys: string[]): string[] {
  if (keys.length > 16) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    let j = i - 1;
    while (j >= 0 && keys[j]! > key) {
      keys[j + 1] = keys[j]!;
      j--;
    }
    keys[j + 1] = key;
  }
  return keys;
}

export class CanonicalWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;
  readonly #keys = new Map<string, Buffer>();
  readonly #scalars = new Map<unknown, Buffer>();

  /** Valid until the next record is written. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Starts again with this record; returns its fields in canonical (code unit) order. */
  writeRecord(data: JsonObject): CanonicalField[] {
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafe(INITIAL_BYTES);
    this.#length = 0;
    const fields: CanonicalField[] = [];
    this.#byte(0x7b);
    for (const name of sortKeys(Object.keys(data))) {
      if (fields.length > 0) this.#byte(COMMA);
      const memberStart = this.#length;
      this.#key(name);
      const start = this.#length;
      this.#value(data[name]);
      fields.push({ name, memberStart, start, end: this.#length });
    }
    this.#byte(0x7d);
    return fields;
  }

  /** Appends a text as it is; digests cover more than the record's JSON. */
  append(text: string): void {
    this.#reserve(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, needed));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #value(value: unknown): void {
    if (typeof value === "string") {
      this.#string(value);
    } else if (typeof value !== "object" || value === null) {
      this.#scalar(value);
    } else if (Array.isArray(value)) {
      this.#byte(0x5b);
      for (let i = 0; i < value.length; i++) {
        if (i > 0) this.#byte(COMMA);
        this.#value(value[i]);
      }
      this.#byte(0x5d);
    } else {
      const object = value as JsonObject;
      const keys = sortKeys(Object.keys(object));
      this.#byte(0x7b);
      for (let i = 0; i < keys.length; i++) {
        if (i > 0) this.#byte(COMMA);
        this.#key(keys[i]!);
        this.#value(object[keys[i]!]);
      }
      this.#byte(0x7d);
    }
  }

  #string(text: string): void {
    const size = text.length;
    if (size <= SHORT_STRING) {
      this.#reserve(size + 2);
      const bytes = this.#bytes;
      let at = this.#length;
      bytes[at++] = QUOTE;
      let i = 0;
      for (; i < size; i++) {
        const code = text.charCodeAt(i);
        if (code > 127 || plainAscii[code] === 0) break;
        bytes[at++] = code;
      }
      if (i === size) {
        bytes[at++] = QUOTE;
        this.#length = at;
        return;
      }
    }
    if (needsEscape.test(text)) {
      this.append(canonicalJson(text));
      return;
    }
    this.#byte(QUOTE);
    this.append(text);
    this.#byte(QUOTE);
  }

  /** Numbers, booleans and null of a feed are mostly the same few, so their bytes are kept; -0 and 0 are one key. */
  #scalar(value: unknown): void {
    let text = Object.is(value, -0) ? undefined : this.#scalars.get(value);
    if (text === undefined) {
      text = Buffer.from(canonicalJson(value));
      if (this.#scalars.size < CACHED && !Object.is(value, -0)) this.#scalars.set(value, text);
    }
    this.#copy(text);
  }

  /** `"key":`; the keys of a feed are few, so their bytes are kept. */
  #key(key: string): void {
    let quoted = this.#keys.get(key);
    if (quoted === undefined) {
      quoted = Buffer.from(`${canonicalJson(key)}:`);
      if (this.#keys.size < CACHED && key.length <= CACHED_LENGTH) this.#keys.set(key, quoted);
    }
    this.#copy(quoted);
  }

  #copy(short: Buffer): void {
    const size = short.length;
    this.#reserve(size);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < size; i++) bytes[at++] = short[i]!;
    this.#length = at;
  }
}
