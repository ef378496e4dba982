/**
 * Raw deflate of records' texts. Many at once are deflated in a thread of this process: zlib takes a third of the time of a
 * first load, and the event loop has other work meanwhile. Where there is no second processor, or the thread fails, the
 * caller's own thread does it.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { deflateRawSync } from "node:zlib";

/** zlib's level: 6 saves 3 % of memory more and costs a third more time. */
const LEVEL = 3;
/** Fewer bytes are deflated sooner than a thread has answered. */
const WORTH_A_MESSAGE_BYTES = 16 * 1024;
/** A thread of its own costs memory and time: not for a handful of records. */
const WORTH_A_THREAD_BYTES = 1024 * 1024;

export const deflate = (text: Buffer, dictionary: Buffer | undefined): Buffer =>
  deflateRawSync(text, dictionary ? { level: LEVEL, dictionary } : { level: LEVEL });

export async function deflateAll(
  texts: readonly Buffer[],
  dictionary: Buffer | undefined,
): Promise<Buffer[]> {
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  deflated += bytes;
  if (bytes >= WORTH_A_MESSAGE_BYTES && deflated >= WORTH_A_THREAD_BYTES && availableParallelism() > 1) {
    const done = await deflateInThread(texts, dictionary);
    if (done !== undefined) return done;
  }
  return texts.map((text) => deflate(text, dictionary));
}

/** Bytes that were to be deflated since the process began. */
let deflated = 0;

interface Request {
  readonly place: number;
  readonly level: number;
  readonly dictionary: Uint8Array | undefined;
  /** All texts, one after the other. */
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
}

type Reply = Pick<Request, "place" | "bytes" | "lengths">;

/** Runs in the thread, as a text of its own: it refers to nothing around it. */
async function serve(): Promise<void> {
  const { parentPort } = await import("node:worker_threads");
  const { deflateRawSync: deflateText } = await import("node:zlib");
  parentPort?.on("message", ({ place, level, dictionary, bytes, lengths }: Request) => {
    let from = 0;
    const results = lengths.map((length) => {
      const text = bytes.subarray(from, from + length);
      from += length;
      return deflateText(text, dictionary ? { level, dictionary } : { level });
    });
    const size = results.reduce((sum, { length }) => sum + length, 0);
    // Never memory of a pool: it is handed over to the other thread.
    const all = new Uint8Array(size);
    let at = 0;
    for (const one of results) {
      all.set(one, at);
      at += one.length;
    }
    const reply: Reply = { place, bytes: all, lengths: results.map(({ length }) => length) };
    parentPort.postMessage(reply, [all.buffer]);
  });
}

type Waiting = (reply: Reply | undefined) => void;

let thread: Worker | undefined;
let failed = false;
let lastPlace = 0;
const waiting = new Map<number, Waiting>();

/** Undefined where there is no thread that works. */
async function deflateInThread(
  texts: readonly Buffer[],
  dictionary: Buffer | undefined,
): Promise<Buffer[] | undefined> {
  if (failed) return undefined;
  thread ??= startThread();
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  let at = 0;
  for (const text of texts) {
    bytes.set(text, at);
    at += text.length;
  }
  const place = ++lastPlace;
  const lengths = texts.map(({ length }) => length);
  const reply = await new Promise<Reply | undefined>((answered) => {
    waiting.set(place, answered);
    // It keeps the process alive only while an answer is waited for.
    thread!.ref();
    thread!.postMessage({ place, level: LEVEL, dictionary, bytes, lengths } satisfies Request, [
      bytes.buffer,
    ]);
  });
  if (reply === undefined) return undefined;
  const all = Buffer.from(reply.bytes.buffer, reply.bytes.byteOffset, reply.bytes.byteLength);
  let from = 0;
  return reply.lengths.map((length) => {
    from += length;
    return all.subarray(from - length, from);
  });
}

function startThread(): Worker {
  const started = new Worker(`(${serve.toString()})();`, {
    eval: true,
    execArgv: [],
    // Its short-lived values need no more; the whole process must stay small.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  started.on("message", (reply: Reply) => {
    const answered = waiting.get(reply.place);
    waiting.delete(reply.place);
    if (waiting.size === 0) started.unref();
    answered?.(reply);
  });
  const fail = (): void => {
    failed = true;
    thread = undefined;
    for (const answered of waiting.values()) answered(undefined);
    waiting.clear();
  };
  started.once("error", fail);
  started.once("exit", fail);
  started.unref();
  return started;
}
