/** How snapshots take their files: under a digest, in pieces, and not the same wrong bytes eight times. */
import { createHash, type Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { bounds } from "../../core/bounds.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { ExtractContext } from "../contract.ts";

/** Parsing is synchronous; after this much of it timers and sockets get their turn (lock renewals, heartbeats). */
const BREATHE_BYTES = 1024 * 1024;

/** A file held in the pieces in which it came: joined it would be in memory twice. */
export class HeldFile {
  readonly #pieces: Buffer[] = [];
  #size = 0;
  readonly #hash = createHash("sha256");
  #sha256: string | undefined;

  static async of(body: AsyncIterable<Buffer>): Promise<HeldFile> {
    const file = new HeldFile();
    for await (const piece of body) {
      file.#pieces.push(piece);
      file.#size += piece.length;
      file.#hash.update(piece);
    }
    return file;
  }

  get sha256(): string {
    this.#sha256 ??= this.#hash.digest("hex");
    return this.#sha256;
  }

  /** The first bytes, at least so many where there are as many. */
  head(size: number): Buffer {
    let pieces = 0;
    for (let length = 0; pieces < this.#pieces.length && length < size; pieces++) {
      length += this.#pieces[pieces]!.length;
    }
    return Buffer.concat(this.#pieces.slice(0, pieces));
  }

  /** For zips, whose directory is at their end. */
  joined(): Buffer {
    if (this.#size > bounds.zipBytes) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The zip is larger than ${bounds.zipBytes} bytes.`);
    }
    return Buffer.concat(this.#pieces);
  }

  /** The pieces, each let go as it is read. Single use. */
  async *pieces(): AsyncGenerator<Buffer> {
    let since = 0;
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      yield piece;
      since += piece.length;
      if (since < BREATHE_BYTES) continue;
      since = 0;
      await setImmediate();
    }
  }
}

/** The same bytes, counted into a digest. */
export async function* digested(body: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of body) {
    hash.update(piece);
    yield piece;
  }
}

/**
 * What reading a file ended with. Wrong bytes may be a passing fault; the same wrong bytes again are what the upstream has,
 * and asking eight times would not change them: the error then says so, and is final.
 */
export async function wrongBytes(
  error: unknown,
  sha256: () => string,
  context: Pick<ExtractContext, "noteWrong">,
): Promise<unknown> {
  // What the client says (cut off, no answer) is said of the way, not of the bytes.
  if (!isUeeError(error) || error.class !== "corrupt" || error.data.url !== undefined) return error;
  const digest = sha256();
  if (!(await context.noteWrong(digest))) return error;
  const { code, detail, cause, data } = error;
  const same = `The same bytes came twice (sha256 ${digest.slice(0, 12)}…): not asked for again.`;
  return new UeeError(code, `${detail} ${same}`, { cause, data: { ...data, final: true } });
}
