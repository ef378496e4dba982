/**
 * The grammar of JSON (RFC 8259) over bytes: one pass, in chunks of any size, without recursion and without
 * buffering. An observer is told where values begin and end, by depth; all other bytes cost one table look-up each.
 *
 * JSON.parse accepts every document that passes, except for UTF-8, which the holders of the bytes check. Errors:
 * PROV_BAD_JSON with the byte, PROV_TRUNCATED.
 */
import { bounds } from "./bounds.ts";
import { UeeError } from "./errors.ts";

/** Events of the machine; positions are bytes from the start of the document. */
export interface JsonWatcher {
  /** Values and keys below this depth are not reported. */
  readonly depth: number;
  /** A key begins at its quote; `depth` includes its own object, so the document's own keys have 1. */
  keyBegins(at: number, depth: number): void;
  keyEnds(at: number, depth: number): void;
  /** A value begins inside of `depth` open lists and objects; `first` is its first byte. */
  begins(at: number, depth: number, first: number): void;
  ends(at: number, depth: number): void;
}

/** For callers that need only validity and size. */
export const unwatched: JsonWatcher = {
  depth: -1,
  keyBegins() {},
  keyEnds() {},
  begins() {},
  ends() {},
};

const LIST = 0;
const OBJECT = 1;

const VALUE = 0;
const VALUE_OR_END = 1;
const KEY_OR_END = 2;
const KEY = 3;
const COLON = 4;
const AFTER = 5;
const STRING = 6;
const ESCAPE = 7;
const HEX = 8;
const LITERAL = 9;
const MINUS = 10;
const ZERO = 11;
const INTEGER = 12;
const POINT = 13;
const FRACTION = 14;
const EXPONENT = 15;
const SIGN = 16;
const POWER = 17;
const DONE = 18;

const expected: Record<number, string> = {
  [VALUE]: "a value",
  [VALUE_OR_END]: "a value or ]",
  [KEY_OR_END]: "a name or }",
  [KEY]: "a name",
  [COLON]: "a colon",
  [STRING]: "a character without escape",
  [ESCAPE]: "an escape",
  [HEX]: "four hexadecimal digits",
  [LITERAL]: "true, false or null",
  [DONE]: "nothing more",
};

/** 1 for bytes that need no handling inside a string; UTF-8 is checked elsewhere. */
const plain = new Uint8Array(256).fill(1, 0x20);
plain[0x22] = 0;
plain[0x5c] = 0;
const escapes = new Uint8Array(256);
for (const c of '"\\/bfnrtu') escapes[c.charCodeAt(0)] = 1;

const startsValue = new Uint8Array(256);
for (const c of '"{[-0123456789tfn') startsValue[c.charCodeAt(0)] = 1;

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isHex = (c: number): boolean => isDigit(c) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);
const literals: Record<number, string> = { 116: "true", 102: "false", 110: "null" };

/** States in which a number may end. */
const wholeNumbers: ReadonlySet<number> = new Set([ZERO, INTEGER, FRACTION, POWER]);

/** A number with this many exponent digits, or of this length, may exceed the range of a double. */
const LONG_NUMBER = 300;

export class JsonMachine {
  readonly #watcher: JsonWatcher;
  readonly #watched: number;
  #state = VALUE;
  #position = 0;
  /** LIST or OBJECT of each open level. */
  #stack = new Uint8Array(512);
  #depth = 0;
  #isKey = false;
  #rest = 0;
  #literal = "";
  #numberStart = 0;

  /** Since `mark`: values begun, deepest level reached, and whether a number may be infinite. */
  values = 0;
  deepest = 0;
  largeNumber = false;

  constructor(watcher: JsonWatcher) {
    this.#watcher = watcher;
    this.#watched = watcher.depth;
  }

  /** Bytes read. */
  get position(): number {
    return this.#position;
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  /** Starts counting at the value that begins here. */
  mark(): void {
    this.values = 1;
    this.deepest = this.#depth;
    this.largeNumber = false;
  }

  write(bytes: Uint8Array): void {
    const size = bytes.length;
    let i = 0;
    while (i < size) {
      const c = bytes[i]!;
      switch (this.#state) {
        case STRING: {
          let end = i;
          while (end < size && plain[bytes[end]!] === 1) end++;
          if (end === size) {
            i = end;
            break;
          }
          i = end + 1;
          if (bytes[end] === 0x22) {
            if (!this.#isKey) this.#endScalar(i);
            else {
              if (this.#depth <= this.#watched) this.#watcher.keyEnds(this.#position + i, this.#depth);
              // In most cases the colon and the value follow at once.
              this.#state = COLON;
              if (i + 1 < size && bytes[i] === 0x3a && this.#depth > this.#watched && bytes[i + 1] === 0x22) {
                i += 2;
                this.values++;
                this.#isKey = false;
                this.#state = STRING;
              }
            }
          } else if (bytes[end] === 0x5c) this.#state = ESCAPE;
          else throw this.#bad(end);
          break;
        }
        case AFTER:
          i++;
          if (c === 0x2c) {
            if (this.#stack[this.#depth - 1] !== OBJECT) this.#state = VALUE;
            else if (this.#depth > this.#watched && bytes[i] === 0x22) {
              i++;
              this.#state = STRING;
              this.#isKey = true;
            } else this.#state = KEY;
          } else if (c === 0x7d || c === 0x5d) this.#close(i - 1, c);
          else if (!isSpace(c)) throw this.#bad(i - 1, "no comma or closing bracket");
          break;
        case COLON:
          i++;
          if (c === 0x3a) this.#state = VALUE;
          else if (!isSpace(c)) throw this.#bad(i - 1);
          break;
        case KEY:
        case KEY_OR_END:
          i++;
          if (c === 0x22) {
            this.#state = STRING;
            this.#isKey = true;
            if (this.#depth <= this.#watched) this.#watcher.keyBegins(this.#position + i - 1, this.#depth);
          } else if (c === 0x7d && this.#state === KEY_OR_END) this.#close(i - 1, c);
          else if (!isSpace(c)) throw this.#bad(i - 1);
          break;
        case VALUE:
        case VALUE_OR_END:
          i++;
          if (!isSpace(c)) this.#startValue(i - 1, c);
          break;
        case ESCAPE:
          i++;
          if (escapes[c] !== 1) throw this.#bad(i - 1);
          this.#state = c === 0x75 ? HEX : STRING;
          this.#rest = 4;
          break;
        case HEX:
          i++;
          if (!isHex(c)) throw this.#bad(i - 1);
          if (--this.#rest === 0) this.#state = STRING;
          break;
        case LITERAL:
          i++;
          if (c !== this.#literal.charCodeAt(this.#literal.length - this.#rest)) throw this.#bad(i - 1);
          if (--this.#rest === 0) this.#endScalar(i);
          break;
        case DONE:
          i++;
          if (!isSpace(c)) throw this.#bad(i - 1);
          break;
        default:
          i = this.#number(i, c);
      }
    }
    this.#position += size;
  }

  /** Throws unless the document ended correctly. */
  end(): void {
    // A number at the top level has no terminator.
    if (this.#depth === 0 && wholeNumbers.has(this.#state)) this.#endNumber(0);
    if (this.#state !== DONE) {
      throw new UeeError("PROV_TRUNCATED", `The JSON ends early, after ${this.#position} bytes.`);
    }
  }

  #startValue(i: number, c: number): void {
    const at = this.#position + i;
    if (c === 0x5d && this.#state === VALUE_OR_END) {
      this.#close(i, c);
      return;
    }
    this.values++;
    if (this.#depth <= this.#watched) {
      // Bytes that begin no value are reported first.
      if (startsValue[c] !== 1) throw this.#bad(i);
      this.#watcher.begins(at, this.#depth, c);
    }
    if (c === 0x22) {
      this.#state = STRING;
      this.#isKey = false;
    } else if (c === 0x7b) this.#open(i, OBJECT);
    else if (c === 0x5b) this.#open(i, LIST);
    else if (c === 0x2d) this.#startNumber(at, MINUS);
    else if (c === 0x30) this.#startNumber(at, ZERO);
    else if (isDigit(c)) this.#startNumber(at, INTEGER);
    else {
      const literal = literals[c];
      if (literal === undefined) throw this.#bad(i);
      this.#literal = literal;
      this.#rest = literal.length - 1;
      this.#state = LITERAL;
    }
  }

  #open(i: number, kind: number): void {
    if (this.#depth === this.#stack.length) {
      if (this.#depth >= bounds.json.depth) throw this.#bad(i, `more than ${bounds.json.depth} levels`);
      const grown = new Uint8Array(this.#stack.length * 2);
      grown.set(this.#stack);
      this.#stack = grown;
    }
    this.#stack[this.#depth++] = kind;
    if (this.#depth > this.deepest) this.deepest = this.#depth;
    this.#state = kind === OBJECT ? KEY_OR_END : VALUE_OR_END;
  }

  #close(i: number, c: number): void {
    if (this.#depth === 0 || this.#stack[this.#depth - 1] !== (c === 0x7d ? OBJECT : LIST)) {
      throw this.#bad(i, "a closing bracket of another kind");
    }
    this.#depth--;
    this.#endScalar(i + 1);
  }

  #endScalar(i: number): void {
    this.#state = this.#depth === 0 ? DONE : AFTER;
    if (this.#depth <= this.#watched) this.#watcher.ends(this.#position + i, this.#depth);
  }

  #startNumber(at: number, state: number): void {
    this.#numberStart = at;
    this.#state = state;
  }

  #endNumber(i: number): void {
    const length = this.#position + i - this.#numberStart;
    if (this.#state === POWER || length > LONG_NUMBER) this.largeNumber = true;
    this.#endScalar(i);
  }

  /** Processes one byte of a number, or the first byte after it, which is left for the next state. */
  #number(i: number, c: number): number {
    const next = afterDigit(this.#state, c);
    if (next !== undefined) {
      this.#state = next;
      return i + 1;
    }
    if (!wholeNumbers.has(this.#state) || isDigit(c)) throw this.#bad(i, "no number");
    this.#endNumber(i);
    return i;
  }

  #bad(i: number, what?: string): UeeError {
    const why = what ?? `${expected[this.#state] ?? "something else"} is expected`;
    const at = this.#position + i;
    return new UeeError("PROV_BAD_JSON", `The answer is not valid JSON: at byte ${at}, ${why}.`, {
      data: { byte: at },
    });
  }
}

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;

/** The state after a byte of a number; undefined when the number cannot continue with it. */
function afterDigit(state: number, c: number): number | undefined {
  if (isDigit(c)) {
    switch (state) {
      case MINUS:
        return c === 0x30 ? ZERO : INTEGER;
      case INTEGER:
      case FRACTION:
      case POWER:
        return state;
      case POINT:
        return FRACTION;
      case EXPONENT:
      case SIGN:
        return POWER;
    }
    return undefined;
  }
  if (c === 0x2e) return state === ZERO || state === INTEGER ? POINT : undefined;
  if (c === 0x65 || c === 0x45) {
    return state === ZERO || state === INTEGER || state === FRACTION ? EXPONENT : undefined;
  }
  return (c === 0x2b || c === 0x2d) && state === EXPONENT ? SIGN : undefined;
}
