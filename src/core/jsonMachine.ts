/**
 * The grammar of JSON (RFC 8259) over bytes: one pass, in chunks of any size, without recursion and without
 * buffering. A watcher is told where values begin and end, by depth. What lies deeper is read by one loop over whole tokens
 * (`#skim`); `write` reads byte by byte what the loop leaves: the watched levels, tokens that a chunk cuts, and errors.
 *
 * JSON.parse accepts every document that passes, except for UTF-8, which the holders of the bytes check. Errors:
 * PROV_BAD_JSON with the byte, PROV_TRUNCATED.
 */
import { bounds } from "./bounds.ts";
import { UeeError } from "./errors.ts";
import {
  escapes,
  hex,
  isDigit,
  isSpace,
  LONG_NUMBER,
  literalEnd,
  literals,
  numberEnd,
  plain,
  stringEnd,
  type Words,
  wordsOf,
} from "./jsonTokens.ts";

/** Events of the machine; positions are bytes from the start of the document. */
export interface JsonWatcher {
  /** Values and keys below this depth are not reported. */
  readonly depth: number;
  /** A key begins at its quote; `depth` includes its own object, so the document's own keys have 1. */
  keyBegins(at: number, depth: number): void;
  /** `escaped`: the key is not written as its characters are. */
  keyEnds(at: number, depth: number, escaped: boolean): void;
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

const startsValue = new Uint8Array(256);
for (const c of '"{[-0123456789tfn') startsValue[c.charCodeAt(0)] = 1;

/** States that wait for a token, which `#skim` reads: VALUE to AFTER. */
const LAST_BETWEEN_TOKENS = AFTER;

/** States in which a number may end. */
const wholeNumbers: ReadonlySet<number> = new Set([ZERO, INTEGER, FRACTION, POWER]);

export class JsonMachine {
  readonly #watcher: JsonWatcher;
  readonly #watched: number;
  /** Open levels at least where `#skim` may read: none of its tokens is told, or ends the document. */
  readonly #lowest: number;
  #state = VALUE;
  #position = 0;
  /** LIST or OBJECT of each open level. */
  #stack = new Uint8Array(512);
  #depth = 0;
  #isKey = false;
  /** The open string has an escape. */
  #escaped = false;
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
    this.#lowest = Math.max(0, watcher.depth) + 1;
  }

  /** Ready for another document. */
  reset(): void {
    this.#state = VALUE;
    this.#position = 0;
    this.#depth = 0;
    if (this.#stack.length > 4096) this.#stack = new Uint8Array(512);
    this.#isKey = false;
    this.values = 0;
    this.deepest = 0;
    this.largeNumber = false;
  }

  /** Bytes read. */
  get position(): number {
    return this.#position;
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  /** Does a value begin next? Then `skip` may pass over its bytes. */
  get awaitsValue(): boolean {
    return this.#state === VALUE && this.#depth > 0;
  }

  /** Passes over a value of this many bytes, which the caller knows to be valid. Nothing of it is counted or told. */
  skip(size: number): void {
    this.#position += size;
    this.#state = AFTER;
  }

  /** Starts counting at the value that begins here. */
  mark(): void {
    this.values = 1;
    this.deepest = this.#depth;
    this.largeNumber = false;
  }

  write(bytes: Uint8Array): void {
    const size = bytes.length;
    const words = wordsOf(bytes);
    let i = 0;
    while (i < size) {
      if (this.#depth >= this.#lowest && this.#state <= LAST_BETWEEN_TOKENS) {
        i = this.#skim(bytes, words, i);
        if (i === size) break;
      }
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
              if (this.#depth <= this.#watched) {
                this.#watcher.keyEnds(this.#position + i, this.#depth, this.#escaped);
              }
              this.#state = COLON;
            }
          } else if (bytes[end] === 0x5c) {
            this.#escaped = true;
            this.#state = ESCAPE;
          } else throw this.#bad(end);
          break;
        }
        case AFTER:
          i++;
          if (c === 0x2c) {
            this.#state = this.#stack[this.#depth - 1] === OBJECT ? KEY : VALUE;
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
            this.#escaped = false;
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
          if (hex[c] !== 1) throw this.#bad(i - 1);
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

  /**
   * Reads whole tokens while nothing of them is told to the watcher. Returns where it stopped: at the end of the chunk, or
   * at the first byte of a token that is not plain, is cut by the chunk, or closes a level that is watched.
   */
  #skim(bytes: Uint8Array, words: Words, from: number): number {
    const size = bytes.length;
    const stack = this.#stack;
    const lowest = this.#lowest;
    let { values, deepest } = this;
    let depth = this.#depth;
    let state = this.#state;
    let i = from;
    while (i < size) {
      const c = bytes[i]!;
      if (isSpace(c)) {
        i++;
        continue;
      }
      if (state === AFTER) {
        if (c === 0x2c) {
          state = stack[depth - 1] === OBJECT ? KEY : VALUE;
        } else {
          if (depth <= lowest || c !== (stack[depth - 1] === OBJECT ? 0x7d : 0x5d)) break;
          depth--;
        }
        i++;
      } else if (state === COLON) {
        if (c !== 0x3a) break;
        state = VALUE;
        i++;
      } else if (c === 0x22) {
        const end = stringEnd(bytes, words, i + 1);
        if (end < 0) break;
        i = end;
        if (state === VALUE || state === VALUE_OR_END) {
          values++;
          state = AFTER;
        } else if (i < size && bytes[i] === 0x3a) {
          i++;
          state = VALUE;
        } else state = COLON;
      } else if (state === KEY || state === KEY_OR_END) {
        if (c !== 0x7d || state === KEY || depth <= lowest) break;
        depth--;
        state = AFTER;
        i++;
      } else if (c === 0x7b || c === 0x5b) {
        if (depth === stack.length) break;
        stack[depth++] = c === 0x7b ? OBJECT : LIST;
        if (depth > deepest) deepest = depth;
        values++;
        state = c === 0x7b ? KEY_OR_END : VALUE_OR_END;
        i++;
      } else if (c === 0x5d) {
        if (state === VALUE || depth <= lowest) break;
        depth--;
        state = AFTER;
        i++;
      } else {
        const end = c === 0x2d || isDigit(c) ? numberEnd(bytes, i) : literalEnd(bytes, i);
        if (end < 0) break;
        values++;
        state = AFTER;
        i = end;
      }
    }
    this.values = values;
    this.deepest = deepest;
    this.#depth = depth;
    this.#state = state;
    return i;
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
