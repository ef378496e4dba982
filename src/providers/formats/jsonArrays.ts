/**
 * A JSON document whose records are the elements of lists at its top level (`{"type":"bundle","objects":[…]}`), read from
 * bytes as they come. No more than one element is held; other members are checked and passed over. The document must be
 * valid JSON as a whole, whatever its records are like.
 *
 * An element beyond the bounds of a record costs only itself: it comes as a source text that says why it is refused, with
 * its bytes (the first of them where there are too many).
 *
 * Errors: PROV_TRUNCATED (ends early), PROV_BAD_JSON, PROV_NOT_UTF8, PROV_WRONG_SHAPE (root is no object; a wanted list is
 * none or comes twice; too many elements).
 */
import { isUtf8 } from "node:buffer";
import { bounds } from "../../core/bounds.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { JsonMachine, type JsonWatcher } from "../../core/jsonMachine.ts";
import { type SourceFacts, SourceText, type StoredText } from "../../core/sourceText.ts";
import { lastCharacterEnd } from "./text.ts";

export interface JsonElement {
  /** The list's key. */
  key: string;
  source: SourceText;
}

/** Bytes of a document that are a valid record, and what the store knows of it. */
export interface KnownRecord {
  readonly start: number;
  readonly end: number;
  readonly id: string;
  readonly stored: StoredText;
}

export const withoutByteOrderMark = (document: Buffer): Buffer =>
  document.subarray(0, 3).equals(BYTE_ORDER_MARK) ? document.subarray(3) : document;

/**
 * Where records lie in a document of `{"<inner>":{"<id>":"…` written without white space, by the places where such an
 * element begins: a guess, which holds for whatever has the digest of a text that is known to be a record. The last
 * element is left out: its end is not seen.
 */
export function likelyRecords(
  document: Buffer,
  { inner, id }: { inner: string; id: string },
): { id: string; start: number; end: number }[] {
  const start = Buffer.from(`{${JSON.stringify(inner)}:{${JSON.stringify(id)}:"`);
  const into = JSON.stringify(inner).length + 2;
  const found: { id: string; start: number; end: number }[] = [];
  let at = document.indexOf(start);
  while (at >= 0) {
    const next = document.indexOf(start, at + start.length);
    if (next < 0) break;
    const idEnd = document.indexOf(QUOTE, at + start.length);
    if (idEnd > 0 && idEnd - at <= ID_BYTES) {
      // `},` stand between a record and the next element.
      found.push({
        id: document.toString("utf8", at + start.length, idEnd),
        start: at + into,
        end: next - 2,
      });
    }
    at = next;
  }
  return found;
}

export interface JsonArraysOptions {
  /** Keys of the lists whose elements are wanted. */
  arrays: readonly string[];
  /** Keys of further members that are wanted; each is small. */
  members: readonly string[];
  /** Name of the member that holds a record's id. */
  id: string;
  /** A record is this member of its element (`{"cve":{…}}`), and the element itself where it has none. */
  inner?: string;
  maxElements?: number;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const QUOTE = 0x22;
const [BACKSLASH, OPEN_LIST, OPEN_OBJECT, NULL] = [0x5c, 0x5b, 0x7b, 0x6e];
/** No wanted name is longer. */
const NAME_BYTES = 256;
const ID_BYTES = 1024;

/** Open levels around an element: the document and its list. */
const ELEMENT = 2;

export class JsonArraySplitter implements JsonWatcher {
  /** The wanted members that were there. */
  readonly members: JsonObject = Object.create(null);
  /** Keys of the wanted lists that were there. */
  readonly arrays = new Set<string>();
  readonly depth: number;
  readonly #options: JsonArraysOptions;
  readonly #machine: JsonMachine;
  /** Bytes of the wanted names with their quotes, as they are written without escapes. */
  readonly #idLength: number;
  readonly #innerLength: number;
  readonly #element = new Span(bounds.record.bytes, bounds.record.keptBytes);
  /** A key, an id or a member. */
  readonly #small = new Span(bounds.json.memberBytes, 0);
  #elements: JsonElement[] = [];
  #count = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #base = 0;
  #rest: Buffer = Buffer.alloc(0);
  #markChecked = false;

  #name = "";
  /** Key of the list that is open. */
  #list: string | undefined;
  #inner: { start: number; end: number; facts: SourceFacts } | undefined;
  /** What was passed over as `#inner`. */
  #known: KnownRecord | undefined;
  #innerOpen = false;
  #innerNext = false;
  #idNext = false;
  #capturing: "id" | "member" | undefined;
  #stub: JsonObject = {};

  constructor(options: JsonArraysOptions) {
    this.#options = options;
    this.#idLength = quotedLength(options.id);
    this.#innerLength = quotedLength(options.inner ?? options.id);
    this.depth = options.inner === undefined ? ELEMENT + 1 : ELEMENT + 2;
    this.#machine = new JsonMachine(this);
  }

  /** Elements that ended in this chunk. */
  write(bytes: Buffer): JsonElement[] {
    const chunk = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = lastCharacterEnd(chunk);
    this.#rest = chunk.subarray(end);
    this.#read(chunk.subarray(0, end));
    const elements = this.#elements;
    this.#elements = [];
    return elements;
  }

  /**
   * All elements of a whole document without byte order mark. `known`: in the document's order, bytes that are known to be
   * a valid record. They are passed over where a record begins at their place, and nowhere else.
   */
  writeWhole(document: Buffer, known: readonly KnownRecord[]): JsonElement[] {
    const end = lastCharacterEnd(document);
    this.#rest = document.subarray(end);
    const whole = this.#checked(document.subarray(0, end));
    // Positions are those of the document: nothing that is open has to be held between two writes.
    this.#chunk = whole;
    this.#base = 0;
    let next = 0;
    try {
      for (const record of known) {
        this.#machine.write(whole.subarray(next, record.start));
        next = record.start;
        if (!this.#innerNext || !this.#machine.awaitsValue) continue;
        this.#machine.skip(record.end - record.start);
        next = record.end;
        this.#innerNext = false;
        const facts = { size: next - record.start, depth: 0, values: 0, largeNumber: false };
        this.#inner = { start: record.start, end: next, facts };
        this.#known = record;
      }
      this.#machine.write(whole.subarray(next));
    } catch (error) {
      throw this.#located(error);
    }
    const elements = this.#elements;
    this.#elements = [];
    return elements;
  }

  /** Throws unless the document ended well. */
  end(): void {
    if (this.#rest.length > 0) throw new UeeError("PROV_TRUNCATED", "The JSON ends within a character.");
    this.#machine.end();
  }

  #checked(chunk: Buffer): Buffer {
    if (isUtf8(chunk)) return chunk;
    const at = this.#machine.position;
    throw new UeeError(
      "PROV_NOT_UTF8",
      `The answer is not valid UTF-8 (between bytes ${at} and ${at + chunk.length}).`,
    );
  }

  #read(given: Buffer): void {
    let chunk = this.#checked(given);
    if (chunk.length === 0) return;
    if (!this.#markChecked) {
      this.#markChecked = true;
      chunk = withoutByteOrderMark(chunk);
    }
    this.#chunk = chunk;
    this.#base = this.#machine.position;
    try {
      this.#machine.write(chunk);
    } catch (error) {
      throw this.#located(error);
    }
    this.#element.hold(chunk, this.#base);
    this.#small.hold(chunk, this.#base);
  }

  /** A syntax error says which member it is in; the document's own text is not quoted. */
  #located(error: unknown): unknown {
    if (!isUeeError(error, "PROV_BAD_JSON")) return error;
    const where = this.#list === undefined ? "" : ` In element ${this.#count} of '${this.#list}'.`;
    return new UeeError(error.code, `${error.detail}${where}`, { data: error.data });
  }

  keyBegins(at: number, depth: number): void {
    if (depth === 1 || this.#list !== undefined) this.#small.begin(at);
  }

  keyEnds(at: number, depth: number, escaped: boolean): void {
    if (depth > 1) {
      if (this.#list === undefined) return;
      // Few names of a record have the length of one that is wanted; making a string of each would take long.
      const length = at - this.#small.start;
      if (!escaped && length !== this.#idLength && length !== this.#innerLength) {
        this.#small.forget();
        this.#innerNext = false;
        this.#idNext = false;
        return;
      }
    }
    const name = this.#nameOf(this.#small.end(at, this.#chunk, this.#base));
    if (depth === 1) this.#name = name;
    else if (depth === ELEMENT + 1) this.#innerNext = name === this.#options.inner;
    if (depth === this.#recordDepth) this.#idNext = name === this.#options.id;
  }

  /** Open levels at the members of the record that is open. */
  get #recordDepth(): number {
    return this.#innerOpen ? ELEMENT + 2 : ELEMENT + 1;
  }

  #nameOf(bytes: Buffer | undefined): string {
    if (bytes === undefined || bytes.length > NAME_BYTES) return "";
    return bytes.includes(BACKSLASH)
      ? (JSON.parse(bytes.toString("utf8")) as string)
      : bytes.toString("utf8", 1, bytes.length - 1);
  }

  begins(at: number, depth: number, first: number): void {
    if (depth === 0) {
      if (first !== OPEN_OBJECT) throw new UeeError("PROV_WRONG_SHAPE", "The JSON's root is not an object.");
    } else if (depth === 1) this.#memberBegins(at, first);
    else if (this.#list === undefined) return;
    else if (depth === ELEMENT) {
      if (++this.#count > (this.#options.maxElements ?? Number.POSITIVE_INFINITY)) {
        throw new UeeError(
          "PROV_WRONG_SHAPE",
          `The JSON's '${this.#list}' has more than ${this.#options.maxElements} elements.`,
        );
      }
      this.#element.begin(at);
      this.#machine.mark();
      this.#inner = undefined;
      this.#known = undefined;
      this.#innerOpen = false;
      this.#stub = {};
    } else if (depth === ELEMENT + 1 && this.#innerNext) {
      this.#innerNext = false;
      this.#innerOpen = true;
      this.#known = undefined;
      this.#inner = { start: at, end: at, facts: { size: 0, depth: 0, values: 0, largeNumber: false } };
      this.#machine.mark();
      this.#stub = {};
    } else if (depth === this.#recordDepth && this.#idNext) {
      this.#idNext = false;
      if (first === OPEN_OBJECT || first === OPEN_LIST) return;
      this.#capturing = "id";
      this.#small.begin(at);
    }
  }

  #memberBegins(at: number, first: number): void {
    const name = this.#name;
    if (this.#options.arrays.includes(name)) {
      // A list that is null is a list that is not there.
      if (first === NULL) return;
      if (first !== OPEN_LIST) throw new UeeError("PROV_WRONG_SHAPE", `The JSON's '${name}' is not a list.`);
      if (this.arrays.has(name)) throw new UeeError("PROV_WRONG_SHAPE", `The JSON has '${name}' twice.`);
      this.arrays.add(name);
      this.#list = name;
      this.#count = 0;
    } else if (this.#options.members.includes(name)) {
      this.#capturing = "member";
      this.#small.begin(at);
    }
  }

  ends(at: number, depth: number): void {
    if (depth === 1) {
      if (this.#capturing === "member") this.#memberEnds(at);
      this.#list = undefined;
    } else if (this.#list === undefined) return;
    else if (depth === ELEMENT) this.#elementEnds(at);
    else if (this.#innerOpen && depth === ELEMENT + 1 && this.#inner) {
      this.#innerOpen = false;
      this.#inner.end = at;
      this.#inner.facts = this.#facts(at - this.#inner.start, ELEMENT + 1);
    } else if (this.#capturing === "id" && depth === this.#recordDepth) {
      this.#capturing = undefined;
      const bytes = this.#small.end(at, this.#chunk, this.#base);
      if (bytes && bytes.length <= ID_BYTES) {
        const value: unknown = JSON.parse(bytes.toString("utf8"));
        this.#stub = { [this.#options.id]: value };
      }
    }
  }

  #memberEnds(at: number): void {
    this.#capturing = undefined;
    const bytes = this.#small.end(at, this.#chunk, this.#base);
    if (bytes === undefined) {
      throw new UeeError(
        "PROV_WRONG_SHAPE",
        `The JSON's '${this.#name}' is larger than ${bounds.json.memberBytes} bytes.`,
      );
    }
    this.members[this.#name] = JSON.parse(bytes.toString("utf8"));
  }

  #facts(size: number, around: number): SourceFacts {
    const { deepest, values, largeNumber } = this.#machine;
    return { size, depth: Math.max(0, deepest - around), values, largeNumber };
  }

  #elementEnds(at: number): void {
    const { start } = this.#element;
    const whole = this.#element.end(at, this.#chunk, this.#base);
    const held = whole ?? this.#element.head;
    const inner = this.#inner;
    const bytes = inner ? held.subarray(inner.start - start, inner.end - start) : held;
    const facts = inner?.facts ?? this.#facts(at - start, ELEMENT);
    // Where only what is around the record is too large, the record went with it.
    const size = whole === undefined ? Math.max(facts.size, at - start) : facts.size;
    this.#elements.push({
      key: this.#list!,
      source: new SourceText(bytes, { ...facts, size }, this.#stub, undefined, this.#known),
    });
  }
}

const quotedLength = (name: string): number => Buffer.byteLength(name) + 2;

/** Bytes between two positions of a document that comes in chunks, up to a bound. */
class Span {
  readonly #most: number;
  readonly #kept: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #open = false;
  start = 0;

  /** When it outgrows `most`, its first `kept` bytes stay. */
  constructor(most: number, kept: number) {
    this.#most = most;
    this.#kept = kept;
  }

  begin(at: number): void {
    this.#open = true;
    this.start = at;
    if (this.#pieces.length > 0) this.#pieces = [];
    this.#length = 0;
  }

  /** What began is not needed. */
  forget(): void {
    this.#open = false;
  }

  /** The chunk has ended; what of it belongs to the span is needed later. */
  hold(chunk: Buffer, base: number): void {
    if (this.#open) this.#add(chunk.subarray(Math.max(0, this.start - base)));
  }

  #add(piece: Buffer): void {
    const before = this.#length;
    this.#length += piece.length;
    if (this.#length <= this.#most) this.#pieces.push(piece);
    else if (before <= this.#most) {
      this.#pieces = [headOf([...this.#pieces, piece], this.#kept)];
    }
  }

  /** Undefined where it is larger than the bound. */
  end(at: number, chunk: Buffer, base: number): Buffer | undefined {
    this.#open = false;
    const last = chunk.subarray(Math.max(0, this.start - base), at - base);
    if (this.#length === 0 && last.length <= this.#most) return last;
    this.#add(last);
    if (this.#length > this.#most) return undefined;
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return bytes;
  }

  get head(): Buffer {
    return this.#pieces[0] ?? Buffer.alloc(0);
  }
}

/** The first bytes of all pieces, as bytes of their own. */
function headOf(pieces: readonly Buffer[], size: number): Buffer {
  const head = Buffer.alloc(size);
  let length = 0;
  for (const piece of pieces) {
    if (length === size) break;
    length += piece.copy(head, length);
  }
  return head.subarray(0, length);
}

/** Elements as they end, a list a chunk; the splitter has what else the document holds once all is read. */
export async function* readJsonArrays(
  source: AsyncIterable<Buffer>,
  splitter: JsonArraySplitter,
): AsyncGenerator<JsonElement[]> {
  for await (const chunk of source) {
    const elements = splitter.write(chunk);
    if (elements.length > 0) yield elements;
  }
  splitter.end();
}
