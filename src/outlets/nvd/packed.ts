/** Strings, lists of numbers and texts of several hundred thousand records, without an object for each of them. */

const grown = (array: Uint32Array, size: number): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(size);
  larger.set(array);
  return larger;
};

const STRINGS_CHUNK_BYTES = 1024 * 1024;

/** Strings, numbered from 0 in the order in which they came; a number is never used for another string. */
export class Numbering {
  size = 0;
  #chunks: Buffer[] = [];
  /** Where the last chunk is free. */
  #free = STRINGS_CHUNK_BYTES;
  /** Where each string lies: its chunk times the size of chunks, plus its place there; and its length in bytes. */
  #places = new Uint32Array(1024);
  #lengths = new Uint32Array(1024);
  /** Open addressing: number plus 1; 0 is empty. */
  #table = new Uint32Array(4096);
  #scratch = Buffer.allocUnsafe(1024);

  find(value: string): number | undefined {
    const found = this.#table[this.#slotOf(this.#encode(value))]!;
    return found === 0 ? undefined : found - 1;
  }

  of(value: string): number {
    const bytes = this.#encode(value);
    const slot = this.#slotOf(bytes);
    const found = this.#table[slot]!;
    if (found !== 0) return found - 1;
    const number = this.size++;
    if (number >= this.#places.length) {
      this.#places = grown(this.#places, Math.ceil(number * 1.5));
      this.#lengths = grown(this.#lengths, Math.ceil(number * 1.5));
    }
    this.#places[number] = this.#store(bytes);
    this.#lengths[number] = bytes.length;
    this.#table[slot] = number + 1;
    if (this.size * 2 > this.#table.length) this.#enlarge();
    return number;
  }

  value(number: number): string {
    return this.#bytesOf(number).toString("utf8");
  }

  #encode(value: string): Buffer {
    if (value.length * 3 > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(value.length * 3);
    return this.#scratch.subarray(0, this.#scratch.write(value));
  }

  #bytesOf(number: number): Buffer {
    const place = this.#places[number]!;
    const start = place % STRINGS_CHUNK_BYTES;
    const chunk = this.#chunks[Math.floor(place / STRINGS_CHUNK_BYTES)]!;
    return chunk.subarray(start, start + this.#lengths[number]!);
  }

  /** Where the table has the string, or has room for it. */
  #slotOf(bytes: Buffer): number {
    const last = this.#table.length - 1;
    for (let slot = hashOf(bytes) & last; ; slot = (slot + 1) & last) {
      const found = this.#table[slot]!;
      if (found === 0) return slot;
      if (this.#lengths[found - 1] === bytes.length && this.#bytesOf(found - 1).equals(bytes)) return slot;
    }
  }

  #store(bytes: Buffer): number {
    if (this.#free + bytes.length > STRINGS_CHUNK_BYTES) {
      // A longer string has a chunk of its own.
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(STRINGS_CHUNK_BYTES, bytes.length)));
      this.#free = 0;
    }
    const place = (this.#chunks.length - 1) * STRINGS_CHUNK_BYTES + this.#free;
    bytes.copy(this.#chunks.at(-1)!, this.#free);
    this.#free += bytes.length;
    return place;
  }

  #enlarge(): void {
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let number = 0; number < this.size; number++) {
      this.#table[this.#slotOf(this.#bytesOf(number))] = number + 1;
    }
  }
}

/** FNV-1a. */
function hashOf(bytes: Buffer): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/** A list of numbers for each ordinal. */
export class PackedLists {
  #values = new Uint32Array(4096);
  #used = 0;
  #garbage = 0;
  #starts = new Uint32Array(1024);
  #counts = new Uint32Array(1024);

  set(ordinal: number, numbers: readonly number[]): void {
    if (ordinal >= this.#starts.length) {
      const size = Math.max(ordinal + 1, Math.ceil(this.#starts.length * 1.5));
      this.#starts = grown(this.#starts, size);
      this.#counts = grown(this.#counts, size);
    }
    const before = this.#counts[ordinal]!;
    if (numbers.length > before) {
      this.#garbage += before;
      this.#counts[ordinal] = 0;
      this.#reserve(numbers.length);
      this.#starts[ordinal] = this.#used;
      this.#used += numbers.length;
    } else {
      this.#garbage += before - numbers.length;
    }
    this.#values.set(numbers, this.#starts[ordinal]);
    this.#counts[ordinal] = numbers.length;
  }

  has(ordinal: number, wanted: number): boolean {
    const start = this.#starts[ordinal]!;
    const end = start + this.#counts[ordinal]!;
    for (let i = start; i < end; i++) if (this.#values[i] === wanted) return true;
    return false;
  }

  some(ordinal: number, test: (number: number) => boolean): boolean {
    const start = this.#starts[ordinal]!;
    const end = start + this.#counts[ordinal]!;
    for (let i = start; i < end; i++) if (test(this.#values[i]!)) return true;
    return false;
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#values.length) return;
    const needed = this.#used - this.#garbage + more;
    const target = new Uint32Array(Math.max(this.#values.length, Math.ceil(needed * 1.5)));
    let used = 0;
    for (let ordinal = 0; ordinal < this.#starts.length; ordinal++) {
      const start = this.#starts[ordinal]!;
      const count = this.#counts[ordinal]!;
      target.set(this.#values.subarray(start, start + count), used);
      this.#starts[ordinal] = used;
      used += count;
    }
    this.#values = target;
    this.#used = used;
    this.#garbage = 0;
  }
}

const CHUNK_BYTES = 8 * 1024 * 1024;
const LINE_FEED = 0x0a;

interface Chunk {
  bytes: Buffer;
  used: number;
  /** Where each text begins, ascending, and whose it is. */
  starts: number[];
  ordinals: number[];
}

/** A text for each ordinal; searched by brute force over bytes, about a gigabyte a second. */
export class Texts {
  #chunks: Chunk[] = [];
  /** Number of the chunk that has the ordinal's text, from 1, and its place there; 0: it has none. */
  #chunkOf = new Uint32Array(1024);
  #indexOf = new Uint32Array(1024);
  #bytes = 0;
  #garbage = 0;

  /** Texts have single spaces for white space, and no line feed. */
  set(ordinal: number, text: string): void {
    if (ordinal >= this.#chunkOf.length) {
      const size = Math.max(ordinal + 1, Math.ceil(this.#chunkOf.length * 1.5));
      this.#chunkOf = grown(this.#chunkOf, size);
      this.#indexOf = grown(this.#indexOf, size);
    }
    const before = this.#chunks[this.#chunkOf[ordinal]! - 1];
    // A text that was replaced stays behind as garbage.
    if (before) this.#garbage += sizeAt(before, this.#indexOf[ordinal]!);
    this.#chunkOf[ordinal] = 0;
    if (text !== "") this.#append(ordinal, Buffer.from(`${text}\n`));
    if (this.#garbage > CHUNK_BYTES && this.#garbage > this.#bytes / 2) this.#compact();
  }

  /** Ordinals whose text has every word, each from the beginning of a word; `exact`: up to the end of one. */
  search(words: readonly string[], exact: boolean): Set<number> {
    const wanted = words.map((word) => Buffer.from(word)).sort((a, b) => b.length - a.length);
    const [longest, ...others] = wanted;
    const found = new Set<number>();
    if (!longest) return found;
    for (const [number, chunk] of this.#chunks.entries()) {
      const { starts, ordinals } = chunk;
      let index = 0;
      let at = nextWord(chunk.bytes, longest, 0, chunk.used, exact);
      while (at >= 0) {
        index = placeOf(starts, at, index);
        const end = starts[index + 1] ?? chunk.used;
        const ordinal = ordinals[index]!;
        const current = this.#chunkOf[ordinal] === number + 1 && this.#indexOf[ordinal] === index;
        const start = starts[index]!;
        if (current && others.every((word) => nextWord(chunk.bytes, word, start, end, exact) >= 0))
          found.add(ordinal);
        at = nextWord(chunk.bytes, longest, end, chunk.used, exact);
      }
    }
    return found;
  }

  #append(ordinal: number, bytes: Buffer): void {
    let chunk = this.#chunks.at(-1);
    if (!chunk || chunk.used + bytes.length > chunk.bytes.length) {
      const size = Math.max(CHUNK_BYTES, bytes.length);
      chunk = { bytes: Buffer.alloc(size), used: 0, starts: [], ordinals: [] };
      this.#chunks.push(chunk);
    }
    bytes.copy(chunk.bytes, chunk.used);
    this.#chunkOf[ordinal] = this.#chunks.length;
    this.#indexOf[ordinal] = chunk.starts.length;
    chunk.starts.push(chunk.used);
    chunk.ordinals.push(ordinal);
    chunk.used += bytes.length;
    this.#bytes += bytes.length;
  }

  #compact(): void {
    const before = this.#chunks;
    const chunkOf = this.#chunkOf.slice();
    this.#chunks = [];
    this.#bytes = 0;
    this.#garbage = 0;
    before.forEach((chunk, number) => {
      chunk.ordinals.forEach((ordinal, index) => {
        if (chunkOf[ordinal] !== number + 1 || this.#indexOf[ordinal] !== index) return;
        const start = chunk.starts[index]!;
        this.#append(ordinal, chunk.bytes.subarray(start, start + sizeAt(chunk, index)));
        // Its new place must not be taken for an old one that is still to come.
        chunkOf[ordinal] = 0;
      });
    });
  }
}

const sizeAt = ({ starts, used }: Chunk, index: number): number =>
  (starts[index + 1] ?? used) - starts[index]!;

/** The last of the ascending starts that is not after `at`. */
function placeOf(starts: readonly number[], at: number, from: number): number {
  let low = from;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

const isWordByte = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte >= 0x80);

/** Where the word is next found in [from, end), at the beginning of a word; -1 nowhere. */
function nextWord(bytes: Buffer, word: Buffer, from: number, end: number, exact: boolean): number {
  const inside = bytes.subarray(0, end);
  for (let at = inside.indexOf(word, from); at >= 0; at = inside.indexOf(word, at + 1)) {
    const begins =
      !isWordByte(word[0]) || at === 0 || bytes[at - 1] === LINE_FEED || !isWordByte(bytes[at - 1]);
    const after = at + word.length;
    const ends = !exact || !isWordByte(word[word.length - 1]) || after >= end || !isWordByte(bytes[after]);
    if (begins && ends) return at;
  }
  return -1;
}
