/** How snapshots download their files: with a digest, piece by piece, and not the same wrong bytes eight times. */
import { createHash, type Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { ExtractContext } from "../contract.ts";

/** Parsing is synchronous. After this many bytes timers and sockets get their turn (lock renewals, heartbeats). */
const BREATHE_BYTES = 1024 * 1024;

/** A file held in the pieces in which it was received: joining them would need its size in memory a second time. */
export class HeldFile {
  readonly #pieces: Buffer[] = [];
  readonly #hash = createHash("sha256");
  #sha256: string | undefined;

  static async of(body: AsyncIterable<Buffer>): Promise<HeldFile> {
    const file = new HeldFile();
    for await (const piece of body) {
      file.#pieces.push(piece);
      file.#hash.update(piece);
    }
    return file;
  }

  get sha256(): string {
    this.#sha256 ??= this.#hash.digest("hex");
    return this.#sha256;
  }

  /** The pieces; each is released as it is read. Single use. */
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

/** Passes the bytes through and adds them to a digest. */
export async function* digested(body: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of body) {
    hash.update(piece);
    yield piece;
  }
}

/**
 * The error to throw after reading a file failed with `error`. Wrong bytes may be a passing fault. The same wrong bytes a
 * second time are what the upstream has, and asking eight times would not change them: the error then says so and is final.
 */
export async function wrongBytes(
  error: unknown,
  sha256: () => string,
  context: Pick<ExtractContext, "noteWrong">,
): Promise<unknown> {
  // An error of the client (cut off, no answer) is about the transfer, not about the bytes.
  if (!isUeeError(error) || error.class !== "corrupt" || error.data.url !== undefined) return error;
  const digest = sha256();
  if (!(await context.noteWrong(digest))) return error;
  const { code, detail, cause, data } = error;
  const same = `The same bytes came twice (sha256 ${digest.slice(0, 12)}…): not asked for again.`;
  return new UeeError(code, `${detail} ${same}`, { cause, data: { ...data, final: true } });
}
