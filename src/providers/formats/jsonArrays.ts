/**
 * A JSON document whose records are the elements of lists at its top level (`{"type":"bundle","objects":[…]}`), read from
 * bytes as they come. No more than one element is held. The levels around the elements are checked as they are read, with all
 * members of up to `bounds.json.memberBytes`; an element is checked when it is parsed (SourceText.parse).
 *
 * An element beyond the bounds of a record costs only itself: it comes as a source text that says why it is refused, with
 * its bytes (the first of them where there are too many).
 *
 * Errors: PROV_TRUNCATED (ends early), PROV_BAD_JSON, PROV_NOT_UTF8, PROV_WRONG_SHAPE (root is no object; a wanted list is
 * none or comes twice; too many elements).
 */
import { isUtf8 } from "node:buffer";
import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";
import { type JsonObject, whyNotJson } from "../../core/json.ts";
import { JsonScanner, type JsonWatcher } from "../../core/jsonScan.ts";
import { MODEST, type SourceFacts, SourceText, type StoredText } from "../../core/sourceText.ts";
import { lastCharacterEnd } from "./text.ts";

export interface JsonElement {
  /** The list's key. */
  key: string;
  source: SourceText;
}

/** Where a record seems to lie in a document. */
export interface LikelyRecord {
  readonly start: number;
  readonly end: number;
  readonly id: string;
}

/**
 * What the store knows of it. Bytes that have the digest of the stored text are a valid record. Others are one if
 * JSON.parse accepts them: an object's text has no beginning that is an object too, so the record ends nowhere else.
 */
export interface FoundRecord extends LikelyRecord {
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
): LikelyRecord[] {
  const start = Buffer.from(`{${JSON.stringify(inner)}:{${JSON.stringify(id)}:"`);
  const into = JSON.stringify(inner).length + 2;
  const found: LikelyRecord[] = [];
  let at = document.indexOf(start);
  while (at >= 0) {
    const next = document.indexOf(start, at + start.length);
    if (next < 0) break;
    const idEnd = document.indexOf(QUOTE, at + start.length);
    // `},` stand between a record and the next element.
    const end = next - 2;
    if (idEnd > 0 && idEnd - at <= ID_BYTES && document[end - 1] === CLOSE_OBJECT) {
      const text = document.toString("latin1", at + start.length, idEnd);
      if (ASCII_ID.test(text)) found.push({ id: text, start: at + into, end });
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
const EMPTY = Buffer.from("[]");
const [QUOTE, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, NULL] = [0x22, 0x5b, 0x5d, 0x7b, 0x7d, 0x6e];
/** First bytes of values. */
const startsValue = new Set(Buffer.from('"{[-0123456789tfn'));
const ID_BYTES = 1024;
/** An id that stands in JSON as it is. */
const ASCII_ID = /^[\x20-\x5b\x5d-\x7e]+$/;

/** Open levels around an element: the document and its list. */
const ELEMENT = 2;

/** What may come next at the levels around the elements. */
type Expected =
  | "a value"
  | "a value or ]"
  | "a name or }"
  | "a name"
  | "a colon"
  | "a comma or bracket"
  | "nothing more";

export class JsonArraySplitter implements JsonWatcher {
  /** The wanted members that were there. */
  readonly members: JsonObject = Object.create(null);
  /** Keys of the wanted lists that were there. */
  readonly arrays = new Set<string>();
  readonly depth: number;
  readonly #options: JsonArraysOptions;
  readonly #scanner: JsonScanner;
  /** Bytes of the wanted names with their quotes, as they are written without escapes. */
  readonly #idLength: number;
  readonly #innerLength: number;
  /** From the end of a record to the beginning of the next one, written without white space. */
  readonly #between: Buffer;
  readonly #element = new Span(bounds.record.bytes, bounds.record.keptBytes);
  /** A key, an id or a member. */
  readonly #small = new Span(bounds.json.memberBytes, 0);
  #elements: JsonElement[] = [];
  #count = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #base = 0;
  #rest: Buffer = Buffer.alloc(0);
  #markChecked = false;

  #expected: Expected = "a value";
  #name = "";
  #nameOpen = false;
  /** Key of the list that is open. */
  #list: string | undefined;
  /** Inside of an element: where the last string ended, which was a key if a colon follows. */
  #stringEnd = 0;
  #inner: { start: number; end: number; facts: SourceFacts } | undefined;
  /** What was passed over as `#inner`. */
  #found: FoundRecord | undefined;
  #innerOpen = false;
  #next: "inner" | "id" | undefined;
  #idOpen = false;
  #stub: JsonObject = {};

  constructor(options: JsonArraysOptions) {
    this.#options = options;
    this.depth = options.inner === undefined ? ELEMENT + 1 : ELEMENT + 2;
    this.#idLength = quotedLength(options.id);
    this.#innerLength = quotedLength(options.inner ?? options.id);
    this.#between = Buffer.from(`},{${JSON.stringify(options.inner)}:`);
    this.#scanner = new JsonScanner(this);
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
   * All elements of a whole document without byte order mark. `found`, in the document's order, are passed over where a
   * record begins at their place, and nowhere else. Those whose text is not the stored one are not measured: they are
   * right if they can be parsed.
   */
  writeWhole(document: Buffer, found: readonly FoundRecord[]): JsonElement[] {
    const end = lastCharacterEnd(document);
    this.#rest = document.subarray(end);
    // Positions are those of the document: nothing that is open has to be held between two writes.
    this.#chunk = this.#checked(document.subarray(0, end));
    this.#base = 0;
    let next = 0;
    for (let i = 0; i < found.length; i++) {
      let record = found[i]!;
      this.#scanner.write(this.#chunk.subarray(next, record.start));
      next = record.start;
      if (this.#next !== "inner") continue;
      for (; this.#isFollowed(record, found[i + 1]); record = found[++i]!) {
        this.#hand(sourceOf(record, this.#chunk));
        this.#elementBegins(record.end + 2);
      }
      this.#scanner.skip(record.end - next);
      next = record.end;
      this.#next = undefined;
      this.#inner = { start: record.start, end: next, facts: MODEST };
      this.#found = record;
    }
    this.#scanner.write(this.#chunk.subarray(next));
    const elements = this.#elements;
    this.#elements = [];
    return elements;
  }

  /** Only the end of an element and the beginning of the next one are between the two. */
  #isFollowed({ end }: FoundRecord, next: FoundRecord | undefined): boolean {
    const between = this.#between;
    return (
      next?.start === end + between.length &&
      this.#chunk.compare(between, 0, between.length, end, next.start) === 0
    );
  }

  /** Throws unless the document ended well. */
  end(): void {
    if (this.#rest.length > 0) throw new UeeError("PROV_TRUNCATED", "The JSON ends within a character.");
    if (this.#expected !== "nothing more")
      throw new UeeError("PROV_TRUNCATED", `The JSON ends early, after ${this.#scanner.position} bytes.`);
  }

  #checked(chunk: Buffer): Buffer {
    if (isUtf8(chunk)) return chunk;
    const at = this.#scanner.position;
    const where = `between bytes ${at} and ${at + chunk.length}`;
    throw new UeeError("PROV_NOT_UTF8", `The answer is not valid UTF-8 (${where}).`);
  }

  #read(given: Buffer): void {
    let chunk = this.#checked(given);
    if (chunk.length === 0) return;
    if (!this.#markChecked) {
      this.#markChecked = true;
      chunk = withoutByteOrderMark(chunk);
    }
    this.#chunk = chunk;
    this.#base = this.#scanner.position;
    this.#scanner.write(chunk);
    this.#element.hold(chunk, this.#base);
    this.#small.hold(chunk, this.#base);
  }

  #bad(at: number, why = `${this.#expected} is expected`): UeeError {
    const where = this.#list === undefined ? "" : ` At element ${this.#count} of '${this.#list}'.`;
    const detail = `The answer is not valid JSON: at byte ${at}, ${why}.${where}`;
    return new UeeError("PROV_BAD_JSON", detail, { data: { byte: at } });
  }

  /** Inside of an element, or of another member. */
  #isInside(depth: number): boolean {
    return depth > ELEMENT || (depth === ELEMENT && this.#list === undefined);
  }

  begins(first: number, at: number, depth: number): void {
    if (this.#isInside(depth)) this.#beginsInside(first, at, depth);
    else if (depth === 1 && (this.#expected === "a name" || this.#expected === "a name or }")) {
      if (first !== QUOTE) throw this.#bad(at);
      this.#nameOpen = true;
      this.#small.begin(at);
    } else {
      const isValue = this.#expected === "a value" || this.#expected === "a value or ]";
      if (!isValue || !startsValue.has(first)) throw this.#bad(at);
      if (depth === ELEMENT) this.#elementBegins(at);
      else if (depth === 1) this.#memberBegins(at, first);
      else if (first === OPEN_OBJECT) this.#expected = "a name or }";
      else throw new UeeError("PROV_WRONG_SHAPE", "The JSON's root is not an object.");
    }
  }

  ends(last: number, at: number, depth: number): void {
    const isList = this.#list !== undefined;
    if (this.#isInside(depth)) this.#endsInside(at, depth);
    else if (depth === ELEMENT) this.#elementEnds(at);
    else if (depth === 1 && this.#nameOpen) {
      this.#nameOpen = false;
      const { start } = this.#small;
      // A name beyond the bound is none that is wanted.
      const quoted = this.#take(this.#small, at);
      this.#name = quoted ? String(this.#parsed(quoted, start)) : "";
      this.#expected = "a colon";
      return;
    } else if (depth === 1 && !isList) this.#memberEnds(at);
    else {
      const open = depth === 1 ? "a value or ]" : "a name or }";
      const ended = this.#expected === "a comma or bracket" || this.#expected === open;
      const bracket = depth === 1 ? CLOSE_LIST : CLOSE_OBJECT;
      if (depth < 0 || last !== bracket || !ended) throw this.#bad(at - 1, "there is a wrong bracket");
      this.#list = undefined;
    }
    this.#expected = depth === 0 ? "nothing more" : "a comma or bracket";
  }

  comma(at: number, depth: number): void {
    if (this.#isInside(depth)) return;
    if (this.#expected !== "a comma or bracket") throw this.#bad(at);
    this.#expected = depth === ELEMENT ? "a value" : "a name";
  }

  colon(at: number, depth: number): void {
    if (this.#isInside(depth)) this.#keyInside(at, depth);
    else if (this.#expected !== "a colon") throw this.#bad(at);
    else this.#expected = "a value";
  }

  #memberBegins(at: number, first: number): void {
    const name = this.#name;
    // A list that is null is a list that is not there.
    if (!this.#options.arrays.includes(name) || first === NULL) {
      this.#small.begin(at);
      return;
    }
    if (first !== OPEN_LIST) throw new UeeError("PROV_WRONG_SHAPE", `The JSON's '${name}' is not a list.`);
    if (this.arrays.has(name)) throw new UeeError("PROV_WRONG_SHAPE", `The JSON has '${name}' twice.`);
    this.arrays.add(name);
    this.#list = name;
    this.#count = 0;
    this.#expected = "a value or ]";
  }

  #memberEnds(at: number): void {
    const { start } = this.#small;
    const bytes = this.#take(this.#small, at);
    const wanted = this.#options.members.includes(this.#name);
    if (bytes) {
      const value = this.#parsed(bytes, start);
      if (wanted) this.members[this.#name] = value;
    } else if (wanted) {
      const detail = `The JSON's '${this.#name}' is larger than ${bounds.json.memberBytes} bytes.`;
      throw new UeeError("PROV_WRONG_SHAPE", detail);
    }
  }

  /** The value that begins at this byte of the document. */
  #parsed(bytes: Buffer, at: number): unknown {
    try {
      return JSON.parse(bytes.toString("utf8"));
    } catch (error) {
      throw this.#bad(at, `a value or name is wrong (${whyNotJson(error)})`);
    }
  }

  #take(span: Span, at: number): Buffer | undefined {
    return span.end(at, this.#chunk, this.#base);
  }

  #elementBegins(at: number): void {
    const { maxElements = Number.POSITIVE_INFINITY } = this.#options;
    if (++this.#count > maxElements) {
      const detail = `The JSON's '${this.#list}' has more than ${maxElements} elements.`;
      throw new UeeError("PROV_WRONG_SHAPE", detail);
    }
    this.#element.begin(at);
    this.#scanner.mark();
    this.#inner = undefined;
    this.#found = undefined;
    this.#innerOpen = false;
    this.#next = undefined;
    this.#stub = {};
  }

  #elementEnds(at: number): void {
    const { start } = this.#element;
    const whole = this.#take(this.#element, at);
    const held = whole ?? this.#element.head;
    const inner = this.#inner;
    const [from, to] = inner ? [inner.start - start, inner.end - start] : [0, held.length];
    // What is around the record is checked here, since it is not kept.
    if (inner && whole)
      this.#parsed(Buffer.concat([whole.subarray(0, from), EMPTY, whole.subarray(to)]), start);
    const facts = inner?.facts ?? this.#facts(at - start, ELEMENT);
    // Where only what is around the record is too large, the record went with it.
    const size = whole === undefined ? Math.max(facts.size, at - start) : facts.size;
    const bytes = held.subarray(from, to);
    const found = whole && this.#found;
    this.#hand(found ? sourceOf(found, this.#chunk) : new SourceText(bytes, { ...facts, size }, this.#stub));
  }

  #hand(source: SourceText): void {
    source.place = `element ${this.#count} of '${this.#list}'`;
    this.#elements.push({ key: this.#list!, source });
  }

  #facts(size: number, around: number): SourceFacts {
    const { deepest, values, largeNumber } = this.#scanner;
    return { size, depth: Math.max(0, deepest - around), values, largeNumber };
  }

  /** Open levels at the members of the record that is open. */
  get #recordDepth(): number {
    return this.#innerOpen ? ELEMENT + 2 : ELEMENT + 1;
  }

  #beginsInside(first: number, at: number, depth: number): void {
    if (this.#list === undefined) return;
    if (this.#next === "inner" && depth === ELEMENT + 1) {
      this.#innerOpen = true;
      this.#found = undefined;
      this.#inner = { start: at, end: at, facts: MODEST };
      this.#scanner.mark();
      this.#stub = {};
    } else if (depth === this.#recordDepth) {
      this.#idOpen = this.#next === "id" && first !== OPEN_OBJECT && first !== OPEN_LIST;
      if (first === QUOTE || this.#idOpen) this.#small.begin(at);
    } else if (depth === ELEMENT + 1 && first === QUOTE) this.#small.begin(at);
    this.#next = undefined;
  }

  #endsInside(at: number, depth: number): void {
    if (this.#list === undefined) return;
    this.#stringEnd = at;
    if (this.#innerOpen && depth === ELEMENT + 1 && this.#inner) {
      this.#innerOpen = false;
      this.#inner.end = at;
      this.#inner.facts = this.#facts(at - this.#inner.start, ELEMENT + 1);
    } else if (this.#idOpen && depth === this.#recordDepth) {
      this.#idOpen = false;
      const bytes = this.#take(this.#small, at);
      if (bytes && bytes.length <= ID_BYTES)
        this.#stub = { [this.#options.id]: this.#parsed(bytes, at - bytes.length) };
    }
  }

  /** Few names of a record have the length of one that is wanted; making a string of each would take long. */
  #keyInside(at: number, depth: number): void {
    if (this.#list === undefined || depth > this.#recordDepth) return;
    const { start } = this.#small;
    const { id, inner } = this.#options;
    const length = this.#stringEnd - start;
    if (!this.#scanner.escapes && length !== this.#idLength && length !== this.#innerLength) return;
    const bytes = this.#take(this.#small, at)?.subarray(0, length);
    if (!bytes) return;
    const name = this.#parsed(bytes, start);
    if (depth === ELEMENT + 1 && name === inner) this.#next = "inner";
    else if (depth === this.#recordDepth && name === id) this.#next = "id";
  }
}

function sourceOf({ start, end, id, stored }: FoundRecord, document: Buffer): SourceText {
  const facts = stored.same ? MODEST : undefined;
  return new SourceText(document.subarray(start, end), facts, { id }, undefined, { id, stored });
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

  /** The chunk has ended; what of it belongs to the span is needed later. */
  hold(chunk: Buffer, base: number): void {
    if (this.#open) this.#add(chunk.subarray(Math.max(0, this.start - base)));
  }

  #add(piece: Buffer): void {
    const before = this.#length;
    this.#length += piece.length;
    if (this.#length <= this.#most) this.#pieces.push(piece);
    else if (before <= this.#most) this.#pieces = [Buffer.concat([...this.#pieces, piece], this.#kept)];
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
