/**
 * How the content of a record is stored in Redis: a LIST whose first element, the base, is the whole record and whose further
 * elements, the patches, are the fields that later commits changed. A commit of a changed record appends one patch, so
 * only changed fields are written; readers apply the patches in order. When the patches outweigh half of their base, the
 * next commit writes a new base.
 *
 * Each element is a format byte and a text: the JSON of the record (the text of its source where that has no line feed,
 * else canonical JSON), or that of `{"set":{…},"drop":[…]}`. Where the record has aliases, a line feed and their JSON
 * follow.
 *
 *   format 0        plain UTF-8
 *   format 1        raw deflate
 *   format 1 + n    raw deflate with the provider's nth dictionary
 *   format 127 + n  the values of the provider's nth list of columns, one a line; a value that is the id is left out
 *
 * A list costs less memory than a hash with the default limits of Redis (docs/decisions/0006-record-layout-2.md).
 */
import { inflateRawSync } from "node:zlib";
import { UeeError } from "../core/errors.ts";
import { canonicalJson, type JsonObject } from "../core/json.ts";
import type { CanonicalField } from "./canonicalWriter.ts";
import { deflate, deflateAll } from "./deflate.ts";

const PLAIN = 0;
const DEFLATED = 1;
const ROW = 128;
const ID = "\u0001";
/** What a row may hold: its separator and the sign for the id are none of these. */
const ROW_VALUE = /^[\x20-\x7e]{0,200}$/;
/** Shorter texts are not worth a call of zlib where no dictionary helps. */
const DEFLATE_FROM_BYTES = 96;
const LINE_FEED = 0x0a;

export interface Content {
  readonly data: JsonObject;
  readonly aliases: readonly string[];
}

interface Patch {
  set: JsonObject;
  drop: string[];
}

export class ContentCodec {
  /** The positions of a dictionary and of a list of columns are part of the stored layout. */
  readonly #dictionaries: readonly Buffer[];
  readonly #columns: readonly (readonly string[])[];

  constructor(dictionaries: readonly string[] = [], columns: readonly (readonly string[])[] = []) {
    this.#dictionaries = dictionaries.map((text) => Buffer.from(text));
    this.#columns = columns;
  }

  /** The stored element of a text: format byte and bytes. */
  encode(text: Buffer): Buffer {
    const deflated = this.#isWorthIt(text) ? deflate(text, this.#dictionaries.at(-1)) : text;
    return this.#element(text, deflated);
  }

  /** The same of several texts, in another thread where they are many. */
  async encodeAll(texts: readonly Buffer[]): Promise<Buffer[]> {
    const worth = texts.filter((text) => this.#isWorthIt(text));
    const deflated = worth.length === 0 ? [] : await deflateAll(worth, this.#dictionaries.at(-1));
    let next = 0;
    return texts.map((text) => this.#element(text, this.#isWorthIt(text) ? deflated[next++]! : text));
  }

  #isWorthIt(text: Buffer): boolean {
    return this.#dictionaries.length > 0 || text.length >= DEFLATE_FROM_BYTES;
  }

  #element(text: Buffer, deflated: Buffer): Buffer {
    return deflated.length < text.length
      ? tagged(DEFLATED + this.#dictionaries.length, deflated)
      : tagged(PLAIN, text);
  }

  /** The stored element, latin-1, of a record that is a row of the provider's columns; undefined where it is none. */
  encodeRow(id: string, data: JsonObject): string | undefined {
    const columns = this.#columns.at(-1);
    if (columns === undefined || Object.keys(data).length !== columns.length) return undefined;
    let row = String.fromCharCode(ROW + this.#columns.length - 1);
    for (let i = 0; i < columns.length; i++) {
      const value = data[columns[i]!];
      if (typeof value !== "string" || !ROW_VALUE.test(value)) return undefined;
      row += (i === 0 ? "" : "\n") + (value === id ? ID : value);
    }
    return row;
  }

  #decodeRow(id: string, element: Buffer): JsonObject {
    const columns = this.#columns[element[0]! - ROW];
    const values = element.toString("latin1", 1).split("\n");
    if (columns?.length !== values.length) {
      throw new UeeError("STOR_CORRUPT", `The content of record ${id} has other columns than are known.`);
    }
    const data: JsonObject = {};
    columns.forEach((name, i) => {
      setMember(data, name, values[i] === ID ? id : values[i]);
    });
    return data;
  }

  /** The whole record. @throws UeeError STOR_CORRUPT */
  decode(id: string, elements: readonly Buffer[]): Content {
    const [base, ...patches] = elements;
    if (base === undefined) throw new UeeError("STOR_CORRUPT", `The content of record ${id} is gone.`);
    if (base[0]! >= ROW) return { data: this.#decodeRow(id, base), aliases: [] };
    const { value, aliases } = this.#read(id, base);
    const content = { data: value as JsonObject, aliases: aliases ?? [] };
    for (const element of patches) {
      const patch = this.#read(id, element);
      const { set, drop } = patch.value as unknown as Patch;
      for (const name of drop) delete content.data[name];
      for (const name of Object.keys(set)) setMember(content.data, name, set[name]);
      if (patch.aliases) content.aliases = patch.aliases;
    }
    return content;
  }

  /** The record's JSON, UTF-8. Without patches it is not parsed. @throws UeeError STOR_CORRUPT */
  decodeText(id: string, elements: readonly Buffer[]): Buffer {
    if (elements.length === 1 && elements[0]![0]! < ROW) {
      const text = this.#inflate(id, elements[0]!);
      const end = text.lastIndexOf(LINE_FEED);
      return end < 0 ? text : text.subarray(0, end);
    }
    return Buffer.from(canonicalJson(this.decode(id, elements).data));
  }

  #read(id: string, element: Buffer): { value: unknown; aliases: string[] | undefined } {
    const text = this.#inflate(id, element);
    const end = text.lastIndexOf(LINE_FEED);
    try {
      if (end < 0) return { value: JSON.parse(text.toString("utf8")), aliases: undefined };
      return {
        value: JSON.parse(text.toString("utf8", 0, end)),
        aliases: JSON.parse(text.toString("utf8", end + 1)) as string[],
      };
    } catch (cause) {
      throw new UeeError("STOR_CORRUPT", `The content of record ${id} is not JSON.`, { cause });
    }
  }

  #inflate(id: string, element: Buffer): Buffer {
    const format = element[0];
    const packed = element.subarray(1);
    if (format === PLAIN) return packed;
    const dictionary = format === undefined ? undefined : this.#dictionaries[format - DEFLATED - 1];
    if (format !== DEFLATED && dictionary === undefined) {
      throw new UeeError("STOR_CORRUPT", `The content of record ${id} has the unknown format ${format}.`);
    }
    try {
      return inflateRawSync(packed, dictionary ? { dictionary } : {});
    } catch (cause) {
      throw new UeeError("STOR_CORRUPT", `The content of record ${id} cannot be inflated.`, { cause });
    }
  }
}

function tagged(format: number, bytes: Buffer): Buffer {
  const element = Buffer.allocUnsafe(1 + bytes.length);
  element[0] = format;
  bytes.copy(element, 1);
  return element;
}

/** The text of a base. `record`: JSON without a line feed. */
export const baseText = (record: Buffer, aliases: readonly string[]): Buffer =>
  aliases.length === 0 ? record : Buffer.concat([record, Buffer.from(`\n${canonicalJson(aliases)}`)]);

/** The text of a patch: members out of a record's canonical bytes, names that go, and all aliases where they changed. */
export function patchText(
  record: Buffer,
  set: readonly CanonicalField[],
  drop: readonly string[],
  aliases: readonly string[] | undefined,
): Buffer {
  const parts: Buffer[] = [
    Buffer.from('{"drop":'),
    Buffer.from(canonicalJson(drop)),
    Buffer.from(',"set":{'),
  ];
  set.forEach((field, i) => {
    if (i > 0) parts.push(Buffer.from(","));
    parts.push(record.subarray(field.memberStart, field.end));
  });
  parts.push(Buffer.from("}}"));
  if (aliases) parts.push(Buffer.from(`\n${canonicalJson(aliases)}`));
  return Buffer.concat(parts);
}

/** Sets a member as JSON.parse does: `__proto__` becomes a property like any other. */
export function setMember(object: JsonObject, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}
