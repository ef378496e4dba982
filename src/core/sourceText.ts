/**
 * A record as its source wrote it. It is measured before it is parsed, so that a record that would overflow the
 * stack, a count or the memory never becomes a value, and its bytes can be kept verbatim. Parsing checks it.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { bounds } from "./bounds.ts";
import type { ErrorCode } from "./errorCatalog.ts";
import { UeeError } from "./errors.ts";
import { type JsonObject, whyNotJson } from "./json.ts";
import { JsonScanner, unwatched } from "./jsonScan.ts";

export interface Refusal {
  code: ErrorCode;
  message: string;
}

export interface SourceFacts {
  /** Bytes in the source; `bytes` may hold only the first of them. */
  size: number;
  /** Levels of lists and objects; 1 for `{}`. */
  depth: number;
  /** Lists, objects and scalars of all levels. */
  values: number;
  /** A number may be beyond the range of a double. */
  largeNumber: boolean;
}

/** Those of a record that is known to be within all bounds. */
export const MODEST: SourceFacts = { size: 0, depth: 0, values: 0, largeNumber: false };

/** Why a record cannot be stored. */
export function refusalOf({ size, depth, values }: SourceFacts): Refusal | undefined {
  const { record } = bounds;
  if (size > record.bytes) {
    const kept = `its first ${record.keptBytes} are kept`;
    return tooLarge(`The record has ${size} bytes, more than ${record.bytes}; ${kept}.`);
  }
  if (values > record.values) return tooLarge(`The record has ${values} values, more than ${record.values}.`);
  if (depth > record.depth) {
    const message = `The record is nested ${depth} levels deep, more than ${record.depth}.`;
    return { code: "VAL_RECORD_DEPTH", message };
  }
  return undefined;
}

export const tooLarge = (message: string): Refusal => ({ code: "VAL_RECORD_TOO_LARGE", message });

/** What the store knows of a record by its id and its source text. */
export interface StoredText {
  /** The index entry; empty where the id is not live. */
  readonly entry: string;
  /** The stored record was read from the same text. */
  readonly same: boolean;
  /** ms since the epoch. */
  readonly lastModified: number | undefined;
}

/** A record of a file that has not changed: it is as the store has it, and was not received again. */
export class KeptRecord {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }
}

/** On average, in current feeds. */
const BYTES_A_VALUE = 12;

function factsOf(bytes: Buffer): SourceFacts {
  const scanner = new JsonScanner(unwatched);
  scanner.write(bytes);
  scanner.end();
  const { values, deepest: depth, largeNumber } = scanner;
  return { size: bytes.length, depth, values, largeNumber };
}

export class SourceText {
  /** JSON in UTF-8; for a refused record the bytes of its source, possibly truncated. */
  readonly bytes: Buffer;
  /** The part of the record that contains its id, for a record that is not parsed. */
  readonly stub: JsonObject;
  /** The record's id, where it was read before. */
  readonly id: string | undefined;
  /** What the store knows of it, where it was asked already. */
  readonly stored: StoredText | undefined;
  /** Where it is in its document, for errors. */
  place: string | undefined;
  #facts: SourceFacts | undefined;
  readonly #refusal: Refusal | undefined;

  /** Without facts it is measured when they are asked for. `refusal`: the reader's own. */
  constructor(
    bytes: Buffer,
    facts: SourceFacts | undefined,
    stub: JsonObject = {},
    refusal?: Refusal,
    { id, stored }: { id?: string | undefined; stored?: StoredText | undefined } = {},
  ) {
    this.id = id;
    this.stored = stored;
    this.bytes = bytes;
    this.#facts = facts;
    this.stub = stub;
    this.#refusal = refusal;
  }

  /** Throws VAL_JSON for bytes that are not UTF-8. */
  static of(json: string | Buffer, id?: string): SourceText {
    const bytes = typeof json === "string" ? Buffer.from(json) : json;
    if (bytes === json && !isUtf8(bytes)) throw new UeeError("VAL_JSON", "The text is not valid UTF-8.");
    return new SourceText(bytes, factsOf(bytes), {}, undefined, { id });
  }

  get isMeasured(): boolean {
    return this.#facts !== undefined;
  }

  get facts(): SourceFacts {
    this.#facts ??= factsOf(this.bytes);
    return this.#facts;
  }

  get refusal(): Refusal | undefined {
    return this.#refusal ?? refusalOf(this.facts);
  }

  /** Values of all levels; estimated where it is not measured. */
  get values(): number {
    return this.#facts?.values ?? this.bytes.length / BYTES_A_VALUE;
  }

  /** The same record, with the id that was read from it. */
  named(id: string | undefined): SourceText {
    if (id === this.id) return this;
    const named = new SourceText(this.bytes, this.facts, this.stub, this.refusal, { id });
    named.place = this.place;
    return named;
  }

  /** A record that the reader refused: its bytes and the reason. */
  static refused(text: string, stub: JsonObject, refusal: Refusal): SourceText {
    const bytes = Buffer.from(text);
    return new SourceText(bytes, { ...MODEST, size: bytes.length }, stub, refusal);
  }

  get text(): string {
    // Most records are ASCII, which is decoded in a tenth of the time.
    return this.bytes.toString(isAscii(this.bytes) ? "latin1" : "utf8");
  }

  /** Not for a refused record. Throws PROV_BAD_JSON. */
  parse(): unknown {
    try {
      return JSON.parse(this.text);
    } catch (error) {
      const where = this.place === undefined ? "" : ` in ${this.place}`;
      throw new UeeError("PROV_BAD_JSON", `The answer is not valid JSON${where}: ${whyNotJson(error)}.`);
    }
  }

  /** The record, or the part with its id if it is refused: for `identify` and similar functions. */
  get known(): unknown {
    return this.refusal === undefined ? this.parse() : this.stub;
  }
}
