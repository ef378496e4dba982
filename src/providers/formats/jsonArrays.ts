/**
 * A large JSON document whose records are the elements of arrays at its top level (`{"type":"bundle","objects":[…]}`),
 * read from bytes without ever holding more than one element. Each element is parsed by JSON.parse itself, so that it
 * is exactly what JSON.parse of the whole document would give; this file only finds where elements begin and end.
 *
 * Whatever is not an element is checked too: keys and other members by JSON.parse, the punctuation between by the state
 * table, so a document that passes is valid JSON. Errors: PROV_TRUNCATED (ends early), PROV_BAD_JSON, PROV_NOT_UTF8,
 * PROV_WRONG_SHAPE (root is no object; a wanted member is no array or comes twice), PROV_BODY_TOO_LARGE (one element).
 */
import { isUtf8 } from "node:buffer";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";

export interface JsonElement {
  /** The array's key. */
  key: string;
  value: unknown;
  /** The element as it stands in the document. */
  text: string;
}

export interface JsonArraysOptions {
  /** Keys of the arrays whose elements are wanted. */
  arrays: readonly string[];
  /** Bound of one element, and of any other member. */
  maxElementBytes: number;
}

/** Deeper values would overflow recursive readers further on. */
const MAX_DEPTH = 256;

type State =
  | "begin"
  | "key or end"
  | "key"
  | "colon"
  | "value"
  | "after value"
  | "element or end"
  | "element"
  | "after element"
  | "done";

const [TAB, LF, CR, SPACE] = [0x09, 0x0a, 0x0d, 0x20];
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

const isSpace = (c: number): boolean => c === SPACE || c === LF || c === CR || c === TAB;

export class JsonArraySplitter {
  /** All members that are no wanted arrays. */
  readonly members: JsonObject = Object.create(null);
  /** Keys of the wanted arrays that were there. */
  readonly arrays = new Set<string>();
  readonly #options: JsonArraysOptions;
  #state: State = "begin";
  #position = 0;
  #markBytes = 0;
  #key = "";
  #elements: JsonElement[] = [];

  /** A value being captured: its pieces of earlier chunks, and where we are inside it. */
  #capturing = false;
  #pieces: Buffer[] = [];
  #captured = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(options: JsonArraysOptions) {
    this.#options = options;
  }

  /** Elements that ended in this chunk. */
  write(chunk: Buffer): JsonElement[] {
    let i = 0;
    while (i < chunk.length) i = this.#capturing ? this.#capture(chunk, i) : this.#punctuation(chunk, i);
    this.#position += chunk.length;
    const elements = this.#elements;
    this.#elements = [];
    return elements;
  }

  /** Throws unless the document ended well. */
  end(): void {
    if (this.#state !== "done") {
      throw new UeeError("PROV_TRUNCATED", `The JSON ends early, after ${this.#position} bytes.`);
    }
  }

  /** One byte outside of captured values; gives the next index. */
  #punctuation(chunk: Buffer, i: number): number {
    const c = chunk[i]!;
    if (isSpace(c)) return i + 1;
    switch (this.#state) {
      case "begin":
        return this.#begin(i, c);
      case "key or end":
        if (c === CLOSE_OBJECT) return this.#goTo("done", i);
        if (c === QUOTE) return this.#startCapture(i, "key");
        break;
      case "key":
        if (c === QUOTE) return this.#startCapture(i, "key");
        break;
      case "colon":
        if (c === COLON) return this.#goTo("value", i);
        break;
      case "value":
        return this.#startValue(i, c);
      case "after value":
        if (c === COMMA) return this.#goTo("key", i);
        if (c === CLOSE_OBJECT) return this.#goTo("done", i);
        break;
      case "element or end":
        if (c === CLOSE_LIST) return this.#goTo("after value", i);
        return this.#startCapture(i, "element");
      case "element":
        return this.#startCapture(i, "element");
      case "after element":
        if (c === COMMA) return this.#goTo("element", i);
        if (c === CLOSE_LIST) return this.#goTo("after value", i);
        break;
      case "done":
        throw this.#bad(i, "more text after the end");
    }
    throw this.#bad(i, `unexpected character where ${this.#state} should be`);
  }

  #begin(i: number, c: number): number {
    if (this.#markBytes === this.#position + i && c === BYTE_ORDER_MARK[this.#markBytes]) {
      this.#markBytes++;
      return i + 1;
    }
    if (c === OPEN_OBJECT && this.#markBytes % BYTE_ORDER_MARK.length === 0)
      return this.#goTo("key or end", i);
    if (c === OPEN_LIST || c === QUOTE || /[-\dtfn]/.test(String.fromCharCode(c))) {
      throw new UeeError("PROV_WRONG_SHAPE", "The JSON's root is not an object.");
    }
    throw this.#bad(i, "this is no JSON");
  }

  #startValue(i: number, c: number): number {
    if (!this.#options.arrays.includes(this.#key)) return this.#startCapture(i, "value");
    if (c !== OPEN_LIST) throw new UeeError("PROV_WRONG_SHAPE", `The JSON's '${this.#key}' is not a list.`);
    if (this.arrays.has(this.#key)) {
      throw new UeeError("PROV_WRONG_SHAPE", `The JSON has '${this.#key}' twice.`);
    }
    this.arrays.add(this.#key);
    return this.#goTo("element or end", i);
  }

  #goTo(state: State, i: number): number {
    this.#state = state;
    return i + 1;
  }

  #startCapture(i: number, state: State): number {
    this.#state = state;
    this.#capturing = true;
    return i;
  }

  /** Runs through a value from index `from`; gives the index after it, or the chunk's length. */
  #capture(chunk: Buffer, from: number): number {
    let i = from;
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let ended = false;
    for (; i < chunk.length && !ended; i++) {
      const c = chunk[i]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (c === BACKSLASH) escaped = true;
        else if (c === QUOTE) {
          inString = false;
          ended = depth === 0;
        }
      } else if (c === QUOTE) inString = true;
      else if (c === OPEN_OBJECT || c === OPEN_LIST) {
        if (++depth > MAX_DEPTH) throw this.#bad(i, `nested deeper than ${MAX_DEPTH}`);
      } else if (depth > 0) {
        if (c === CLOSE_OBJECT || c === CLOSE_LIST) ended = --depth === 0;
      } else if (c === COMMA || c === CLOSE_LIST || c === CLOSE_OBJECT || c === COLON || isSpace(c)) {
        // The end of a number, true, false or null: this byte is no more of it.
        break;
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    this.#captured += i - from;
    if (this.#captured > this.#options.maxElementBytes) {
      throw new UeeError(
        "PROV_BODY_TOO_LARGE",
        `One value of the JSON is larger than ${this.#options.maxElementBytes} bytes.`,
      );
    }
    const piece = chunk.subarray(from, i);
    if (ended || i < chunk.length) this.#endCapture(piece, i);
    else this.#pieces.push(piece);
    return i;
  }

  #endCapture(last: Buffer, i: number): void {
    const bytes = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#captured = 0;
    this.#capturing = false;
    if (!isUtf8(bytes)) throw new UeeError("PROV_NOT_UTF8");
    const text = bytes.toString("utf8");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw this.#bad(i - bytes.length, "not a JSON value", cause);
    }
    if (this.#state === "key") {
      this.#key = value as string;
      this.#state = "colon";
    } else if (this.#state === "value") {
      this.members[this.#key] = value;
      this.#state = "after value";
    } else {
      this.#elements.push({ key: this.#key, value, text });
      this.#state = "after element";
    }
  }

  #bad(i: number, why: string, cause?: unknown): UeeError {
    return new UeeError(
      "PROV_BAD_JSON",
      `The answer is not valid JSON (byte ${this.#position + i}: ${why}).`,
      {
        cause,
      },
    );
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
