/**
 * Length-prefixed binary for scripts: one argument that a script cuts with `struct.unpack`, in place of a thousand
 * arguments, each of which would cost the client more than its bytes.
 */
const INITIAL_BYTES = 512 * 1024;

export class FrameWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** `>I1` */
  uint8(value: number): this {
    this.#reserve(1);
    this.#length = this.#bytes.writeUInt8(value, this.#length);
    return this;
  }

  /** `>I2` */
  uint16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
    return this;
  }

  /** `>I6` */
  uint48(value: number): this {
    this.#reserve(6);
    this.#length = this.#bytes.writeUIntBE(value, this.#length, 6);
    return this;
  }

  /** `>I4c0`, UTF-8 */
  text(text: string): this {
    this.#reserve(4 + text.length * 3);
    const size = this.#bytes.write(text, this.#length + 4);
    this.#bytes.writeUInt32BE(size, this.#length);
    this.#length += 4 + size;
    return this;
  }

  /** `>I4c0`, a byte a character */
  latin1(text: string): this {
    this.#reserve(4 + text.length);
    this.#bytes.writeUInt32BE(text.length, this.#length);
    this.#bytes.write(text, this.#length + 4, "latin1");
    this.#length += 4 + text.length;
    return this;
  }

  /** `>I4c0` */
  bytes(bytes: Buffer): this {
    this.#reserve(4 + bytes.length);
    this.#bytes.writeUInt32BE(bytes.length, this.#length);
    bytes.copy(this.#bytes, this.#length + 4);
    this.#length += 4 + bytes.length;
    return this;
  }

  /** Hands out the first `size` bytes as a copy and keeps the rest as the start of the next frame. */
  cut(size = this.#length): Buffer {
    const frame = Buffer.from(this.#bytes.subarray(0, size));
    this.#bytes.copy(this.#bytes, 0, size, this.#length);
    this.#length -= size;
    if (this.#bytes.length > 8 * INITIAL_BYTES && this.#length < INITIAL_BYTES) {
      const smaller = Buffer.allocUnsafe(INITIAL_BYTES);
      this.#bytes.copy(smaller, 0, 0, this.#length);
      this.#bytes = smaller;
    }
    return frame;
  }

  /** Forgets what a caller that failed half-way left behind. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, needed));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
