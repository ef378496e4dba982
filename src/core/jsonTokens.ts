/** JSON's tokens as bytes, where they lie whole in one chunk: tables of bytes, and where a token ends. */

/** 1 for bytes that need no handling inside a string; UTF-8 is checked elsewhere. */
export const plain = new Uint8Array(256).fill(1, 0x20);
plain[0x22] = 0;
plain[0x5c] = 0;
export const escapes = new Uint8Array(256);
for (const c of '"\\/bfnrtu') escapes[c.charCodeAt(0)] = 1;

export const hex = new Uint8Array(256);
for (const c of "0123456789abcdefABCDEF") hex[c.charCodeAt(0)] = 1;
export const literals: Record<number, string> = { 116: "true", 102: "false", 110: "null" };

/** A number with this many exponent digits, or of this length, may exceed the range of a double. */
export const LONG_NUMBER = 300;

export const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
export const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;

/** Behind the quote that ends a string; -1 where the chunk ends first or the string is no JSON. */
export function stringEnd(bytes: Uint8Array, words: Words, from: number): number {
  const size = bytes.length;
  let i = from;
  while (i < size) {
    const c = bytes[i]!;
    if (plain[c] === 1) {
      i++;
      if (((i + words.before) & 3) === 0) i = plainWordsEnd(words, i);
    } else if (c === 0x22) return i + 1;
    else if (c !== 0x5c || i + 6 > size || escapes[bytes[i + 1]!] !== 1) return -1;
    else if (bytes[i + 1] !== 0x75) i += 2;
    else if (hex[bytes[i + 2]!]! + hex[bytes[i + 3]!]! + hex[bytes[i + 4]!]! + hex[bytes[i + 5]!]! === 4)
      i += 6;
    else return -1;
  }
  return -1;
}

/** The whole 32-bit words of a chunk; its byte i is in word (i + before) / 4. */
export interface Words {
  view: Int32Array;
  before: number;
}

export function wordsOf(bytes: Uint8Array): Words {
  const before = bytes.byteOffset & 3;
  const count = (bytes.length + before) >> 2;
  return { view: new Int32Array(bytes.buffer, bytes.byteOffset - before, count), before };
}

/** The first byte from `from` on, which begins a word, whose word has a byte that is not plain. */
function plainWordsEnd({ view, before }: Words, from: number): number {
  let at = (from + before) >> 2;
  for (; at < view.length; at++) {
    const word = view[at]!;
    const quote = word ^ 0x22222222;
    const backslash = word ^ 0x5c5c5c5c;
    // A byte's high bit is set where the byte is 0 (of `quote`, `backslash`) or less than 0x20 (of `word`).
    const special =
      ((quote - 0x01010101) & ~quote) |
      ((backslash - 0x01010101) & ~backslash) |
      ((word - 0x20202020) & ~word);
    if ((special & 0x80808080) !== 0) break;
  }
  return at * 4 - before;
}

/** The byte after a number without exponent; -1 where it has one, is long, is no JSON, or may go on in the next chunk. */
export function numberEnd(bytes: Uint8Array, from: number): number {
  const most = Math.min(bytes.length, from + LONG_NUMBER);
  let i = bytes[from] === 0x2d ? from + 1 : from;
  const first = i;
  while (i < most && isDigit(bytes[i]!)) i++;
  if (i === first || i === most || (bytes[first] === 0x30 && i > first + 1)) return -1;
  if (bytes[i] === 0x2e) {
    const point = i++;
    while (i < most && isDigit(bytes[i]!)) i++;
    if (i === point + 1 || i === most) return -1;
  }
  return bytes[i] === 0x65 || bytes[i] === 0x45 ? -1 : i;
}

/** The byte after true, false or null; -1 where the chunk ends first or it is none. */
export function literalEnd(bytes: Uint8Array, from: number): number {
  const literal = literals[bytes[from]!];
  if (literal === undefined || from + literal.length > bytes.length) return -1;
  for (let i = 1; i < literal.length; i++) if (bytes[from + i] !== literal.charCodeAt(i)) return -1;
  return from + literal.length;
}
