/**
 * One HTTP exchange on undici's dispatch API. The higher-level APIs are not sufficient: the decision whether the
 * request may be written must be made in the same turn in which it is written, and a request that waits for its
 * connection must abort at once.
 */
import type { Dispatcher } from "undici";
import { UeeError } from "../core/errors.ts";

export interface ExchangeOptions {
  dispatcher: Dispatcher;
  url: URL;
  headers: Record<string, string>;
  signal: AbortSignal;
  headersMs: number;
  idleMs: number;
  /** Asked when the connection is established, right before the request is written. False: it is not written. */
  mayStart(): boolean;
  /** The request has been written. */
  onSent(): void;
}

export interface RawBody extends AsyncIterable<Buffer> {
  /** Closes the connection unless the body has been read to its end. */
  destroy(): void;
}

export interface Exchange {
  status: number;
  /** Lower-case names; repeated headers joined by ", ". */
  headers: Record<string, string>;
  /** Still encoded. Single use. */
  body: RawBody;
}

/** Unread bytes after which the connection is paused. */
const highWater = 256 * 1024;

/**
 * Resolves with the head of the answer, or with null when `mayStart` returned false (the connection stays open for
 * the next attempt).
 */
export function exchange(options: ExchangeOptions): Promise<Exchange | null> {
  const { dispatcher, url, signal } = options;
  return new Promise((resolve, reject) => {
    let control: Dispatcher.DispatchController | undefined;
    let started = false;
    let over = false;
    const refused = new Error("not now");
    const body = makeBody(
      () => control?.pause(),
      () => control?.resume(),
      () => stop(new Error("the body was not wanted")),
    );

    const finish = (error: unknown): void => {
      if (over) return;
      over = true;
      signal.removeEventListener("abort", onAbort);
      if (error === refused) resolve(null);
      else if (error !== undefined) reject(error);
      body.end(error);
    };
    const stop = (reason: unknown): void => {
      if (over) return;
      finish(reason);
      control?.abort(reason instanceof Error ? reason : new Error("aborted", { cause: reason }));
    };
    const onAbort = (): void => stop(signal.reason);
    if (signal.aborted) return stop(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        // Thrown, not aborted, in the first two cases: this leaves the connection open.
        if (over) throw refused;
        if (!started && !options.mayStart()) throw refused;
        // undici would resend the request after some connection failures; a resend has no slot.
        if (started) return controller.abort(new Error("a request is sent once"));
        started = true;
        control = controller;
        process.nextTick(options.onSent);
      },
      onResponseStart(_controller, status, headers) {
        if (status < 200) return;
        resolve({ status, headers: flatten(headers), body });
      },
      onResponseData: (_controller, chunk) => body.push(chunk),
      onResponseEnd: () => finish(undefined),
      onResponseError: (_controller, error) => finish(error),
    };
    try {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: "GET",
          headers: { ...options.headers },
          headersTimeout: options.headersMs,
          bodyTimeout: options.idleMs,
        },
        handler,
      );
    } catch (error) {
      finish(error);
    }
  });
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}

function makeBody(pause: () => void, resume: () => void, abandon: () => void) {
  const chunks: Buffer[] = [];
  let buffered = 0;
  let paused = false;
  let ended = false;
  let failure: { error: unknown } | undefined;
  let taken = false;
  let wake = (): void => {};

  async function* read(): AsyncGenerator<Buffer> {
    if (taken) throw new UeeError("SYS_INTERNAL", "A response body was read twice.");
    taken = true;
    try {
      for (;;) {
        if (failure) throw failure.error;
        const chunk = chunks.shift();
        if (chunk) {
          buffered -= chunk.length;
          if (paused && buffered < highWater / 2) {
            paused = false;
            resume();
          }
          yield chunk;
        } else if (ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      chunks.length = 0;
      abandon();
    }
  }

  return {
    push(chunk: Buffer): void {
      chunks.push(chunk);
      buffered += chunk.length;
      if (!paused && buffered >= highWater) {
        paused = true;
        pause();
      }
      wake();
    },
    end(error: unknown): void {
      ended = true;
      if (error !== undefined) failure = { error };
      wake();
    },
    destroy: abandon,
    [Symbol.asyncIterator]: () => read(),
  };
}
