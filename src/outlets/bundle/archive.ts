/**
 * The container of a bundle: a plain tar in one fixed form, so that every byte of it is determined by the names and contents
 * of its files. Whatever differs from that form was altered or cut.
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";
import { isUeeError, toUeeError, UeeError } from "../../core/errors.ts";

/** The largest file of a bundle; those that UEE writes are smaller by far. */
const FILE_BYTES = 32 * 1024 * 1024;
const BLOCK = 512;
const END = Buffer.alloc(2 * BLOCK);

export const damaged = (detail: string, cause?: unknown): UeeError =>
  new UeeError("VAL_BUNDLE", detail, { cause });

/** The header that tar-stream writes for a file of this size. */
async function headerOf(name: string, size: number): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name, size, mode: 0o644, mtime: new Date(0) });
  await once(tar, "readable");
  const header = tar.read() as Buffer;
  tar.destroy();
  return header;
}

const paddingOf = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

export interface ArchiveFile {
  name: string;
  content: Buffer;
}

/**
 * The files of the archive, one at a time. Resolves to the SHA-256 of the whole, hex. Throws VAL_BUNDLE, at the end also for
 * an archive in another form than `ArchiveWriter` gives it, and SYS_* errors where the file cannot be read.
 */
export async function* readArchive(path: string): AsyncGenerator<ArchiveFile, string> {
  const actual = createHash("sha256");
  const expected = createHash("sha256");
  const tar = extract();
  const input = Readable.from(hashed(createReadStream(path, { highWaterMark: 256 * 1024 }), actual));
  input.on("error", (error) => tar.destroy(error));
  input.pipe(tar);
  try {
    for await (const entry of tar) {
      const { name, type, size = 0 } = entry.header;
      if (type !== "file" || size > FILE_BYTES) throw damaged(`${name} is no file of a bundle.`);
      const pieces: Buffer[] = [];
      for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece);
      const content = Buffer.concat(pieces);
      expected
        .update(await headerOf(name, size))
        .update(content)
        .update(paddingOf(size));
      yield { name, content };
    }
  } catch (error) {
    if (isUeeError(error)) throw error;
    const known = toUeeError(error);
    throw known.code.startsWith("SYS_") && known.code !== "SYS_INTERNAL"
      ? known
      : damaged(`The file is no tar or ends too early: ${(error as Error).message}.`, error);
  } finally {
    input.destroy();
  }
  const digest = actual.digest("hex");
  // @safeguard bundle-form
  if (digest !== expected.update(END).digest("hex")) {
    throw damaged(
      "The file has bytes that UEE does not write: it was altered, or something follows its end.",
    );
  }
  return digest;
}

async function* hashed(source: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

/** Writes an archive beside its path; the path shows it only when it is whole. */
export class ArchiveWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  #at = 0;

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  static async create(path: string): Promise<ArchiveWriter> {
    const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
    return new ArchiveWriter(path, temporary, await open(temporary, "wx"));
  }

  /** Bytes written. */
  get size(): number {
    return this.#at;
  }

  async add(name: string, content: Buffer): Promise<void> {
    for (const piece of [await headerOf(name, content.length), content, paddingOf(content.length)]) {
      await this.#write(piece);
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#at);
      done += bytesWritten;
      this.#at += bytesWritten;
    }
  }

  /** Takes back what was written after `size` was this. */
  async rewind(size: number): Promise<void> {
    await this.#file.truncate(size);
    this.#at = size;
  }

  async finish(): Promise<void> {
    await this.#write(END);
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#temporary, this.#path);
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#temporary, { force: true });
  }
}
