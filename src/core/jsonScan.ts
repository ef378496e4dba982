/**
 * Where the values of a JSON document lie, over bytes: one pass, in chunks of any size, without recursion and without
 * buffering. It tells strings from structure and measures; it does not check what it passes over. JSON.parse checks a value
 * when it is read, and a watcher the levels that it watches.
 */
export interface JsonWatcher {
  /** Events of more open lists and objects than this are not reported. */
  readonly depth: number;
  /** A list, object, string (keys too) or other scalar begins inside of `depth` open ones; `first` is its first byte. */
  begins(first: number, at: number, depth: number): void;
  /** It has ended before `at`; `last` is the bracket or quote that ended it, or 0. */
  ends(last: number, at: number, depth: number): void;
  comma(at: number, depth: number): void;
  colon(at: number, depth: number): void;
}

/** For callers that need only sizes. */
export const unwatched: JsonWatcher = { depth: -1, begins() {}, ends() {}, comma() {}, colon() {} };

const SCALAR = 0;
const STRING = 2;
const OPEN = 3;
const CLOSE = 4;
const COMMA = 5;
const COLON = 6;
const QUOTE = 0x22;
const plain = new Uint8Array(256).fill(1);
plain[0x22] = 0;
plain[0x5c] = 0;
const kindOf = new Uint8Array(256);
for (const [kind, characters] of [" \n\r\t", '"', "{[", "}]", ",", ":"].entries())
  for (const c of characters) kindOf[c.charCodeAt(0)] = kind + 1;

const BACKSLASH = 0x5c;
/** A number with an exponent, or of this length, may exceed the range of a double. */
const LONG_NUMBER = 300;

export class JsonScanner {
  readonly #watcher: JsonWatcher;
  #inString = false;
  /** The next byte belongs to an escape. */
  #escaped = false;
  #inScalar = false;
  #scalarStart = 0;
  #hasDigit = false;
  /** Open lists and objects; below 0 where more were closed. */
  depth = 0;
  /** Bytes read. */
  position = 0;
  /** The last string has an escape. */
  escapes = false;
  /** Since `mark`: values begun, deepest level reached, and whether a number may be infinite. */
  values = 0;
  deepest = 0;
  largeNumber = false;

  constructor(watcher: JsonWatcher) {
    this.#watcher = watcher;
  }

  /** Starts counting at the value that begins here. */
  mark(): void {
    this.values = 0;
    this.deepest = this.depth;
    this.largeNumber = false;
  }

  /** Passes over a value of this many bytes, between two tokens. Nothing of it is counted or told. */
  skip(size: number): void {
    this.position += size;
  }

  write(bytes: Uint8Array): void {
    const watcher = this.#watcher;
    const watched = watcher.depth;
    const size = bytes.length;
    const base = this.position;
    let { depth } = this;
    let i = 0;
    if (this.#inString) {
      i = this.#stringEnd(bytes, 0);
      if (!this.#inString && depth <= watched) watcher.ends(QUOTE, base + i, depth);
    }
    while (i < size) {
      const c = bytes[i]!;
      const kind = kindOf[c]!;
      if (kind === SCALAR) {
        if (!this.#inScalar) {
          this.#inScalar = true;
          this.#hasDigit = false;
          this.#scalarStart = base + i;
          if (depth <= watched) watcher.begins(c, base + i, depth);
          this.values++;
        }
        if (c >= 0x30 && c <= 0x39) this.#hasDigit = true;
        else if (this.#hasDigit && (c === 0x65 || c === 0x45)) this.largeNumber = true;
        i++;
        continue;
      }
      if (this.#inScalar) this.#scalarEnds(base + i);
      const at = base + i++;
      if (kind === STRING) {
        if (depth <= watched) watcher.begins(c, at, depth);
        this.values++;
        this.escapes = false;
        while (i < size && plain[bytes[i]!] === 1) i++;
        if (i < size && bytes[i] === QUOTE) i++;
        else {
          this.#inString = true;
          i = this.#stringEnd(bytes, i);
          if (this.#inString) break;
        }
        if (depth <= watched) watcher.ends(QUOTE, base + i, depth);
      } else if (kind === COLON) {
        // The string before it was a key.
        this.values--;
        if (depth <= watched) watcher.colon(at, depth);
      } else if (kind === COMMA) {
        if (depth <= watched) watcher.comma(at, depth);
      } else if (kind === OPEN) {
        if (depth <= watched) watcher.begins(c, at, depth);
        this.values++;
        this.depth = ++depth;
        if (depth > this.deepest) this.deepest = depth;
      } else if (kind === CLOSE) {
        this.depth = --depth;
        if (depth <= watched) watcher.ends(c, at + 1, depth);
      }
    }
    this.position = base + size;
  }

  /** The text has ended: a scalar at its end ends too. */
  end(): void {
    if (this.#inScalar) this.#scalarEnds(this.position);
  }

  #scalarEnds(at: number): void {
    this.#inScalar = false;
    if (at - this.#scalarStart > LONG_NUMBER) this.largeNumber = true;
    if (this.depth <= this.#watcher.depth) this.#watcher.ends(0, at, this.depth);
  }

  /** Behind the quote that ends the open string, or the end of the chunk. */
  #stringEnd(bytes: Uint8Array, from: number): number {
    const size = bytes.length;
    let i = this.#escaped ? from + 1 : from;
    this.#escaped = false;
    for (; i < size; i++) {
      const c = bytes[i]!;
      if (c === 0x22) {
        this.#inString = false;
        return i + 1;
      }
      if (c !== BACKSLASH) continue;
      this.escapes = true;
      if (++i === size) this.#escaped = true;
    }
    return size;
  }
}
