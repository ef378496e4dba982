/** Writes lines of JSON to stdout: waits while the reader is slow, and stops quietly when it has closed (`| head`). */
import { once } from "node:events";
import type { Terminal } from "./context.ts";

const chunkBytes = 64 * 1024;

/** Writes all lines; resolves to their number, or undefined when the reader has closed. */
export async function writeLines<Item>(
  stdout: Terminal,
  items: AsyncIterable<Item>,
  toLine: (item: Item) => string,
  { flushEach = false } = {},
): Promise<number | undefined> {
  let gone = false;
  let failure: Error | undefined;
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") gone = true;
    else failure = error;
  };
  stdout.on("error", onError);
  let buffer = "";
  const flush = async () => {
    if (buffer === "") return;
    const text = buffer;
    buffer = "";
    if (!stdout.write(text) && !gone) {
      // Both listeners are removed: a long export waits thousands of times.
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([once(stdout, "drain", { signal }), once(stdout, "close", { signal })]).catch(
        () => {},
      );
      over.abort();
    }
    // A broken pipe shows one turn of the event loop after the write.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (failure) throw failure;
  };
  let count = 0;
  try {
    for await (const item of items) {
      buffer += `${toLine(item)}\n`;
      count++;
      if (flushEach || buffer.length >= chunkBytes) await flush();
      if (gone) return undefined;
    }
    await flush();
    return gone ? undefined : count;
  } finally {
    // The listener stays after a broken pipe: later errors of that pipe must not become uncaught.
    if (!gone) stdout.off("error", onError);
  }
}
