/**
 * How the content of a record lies in Redis: a LIST whose first element, the base, is the whole record and whose further
 * elements, the patches, are the fields that later commits changed. A commit of a changed record appends one patch, so
 * only changed fields are written; readers apply the patches in order. When the patches outweigh half of their base, the
 * next commit writes a new base.
 *
 * Each element is a format byte and a text: the canonical JSON of the record, or of `{"set":{…},"drop":[…]}`. Where the
 * record has aliases, a line feed and their JSON follow (canonical JSON has no line feed of its own).
 *
 *   format 0      plain UTF-8
 *   format 1      raw deflate
 *   format 1 + n  raw deflate with the provider's nth dictionary
 *
 * A list costs less memory than a hash with the default limits of Redis (docs/decisions/0006-record-layout-2.md).
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { UeeError } from "../core/errors.ts";
import { canonicalJson, type JsonObject } from "../core/json.ts";
import type { CanonicalField } from "./canonicalWriter.ts";

const PLAIN = 0;
const DEFLATED = 1;
/** zlib's level: 6 saves 3 % of memory more and costs a third more time. */
const LEVEL = 3;
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
  /** The position of a dictionary is part of the stored layout. */
  readonly #dictionaries: readonly Buffer[];

  constructor(dictionaries: readonly string[] = []) {
    this.#dictionaries = dictionaries.map((text) => Buffer.from(text));
  }

  /** The stored element of a text: format byte and bytes. */
  encode(text: Buffer): Buffer {
    const newest = this.#dictionaries.length;
    const dictionary = this.#dictionaries.at(-1);
    if (dictionary !== undefined || text.length >= DEFLATE_FROM_BYTES) {
      const deflated = deflateRawSync(text, dictionary ? { level: LEVEL, dictionary } : { level: LEVEL });
      if (deflated.length < text.length) return tagged(DEFLATED + newest, deflated);
    }
    return tagged(PLAIN, text);
  }

  /** The whole record. @throws UeeError STOR_CORRUPT */
  decode(id: string, elements: readonly Buffer[]): Content {
    const [base, ...patches] = elements;
    if (base === undefined) throw new UeeError("STOR_CORRUPT", `The content of record ${id} is gone.`);
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
    if (elements.length === 1) {
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

/** The text of a base. */
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
