/** Rejects with the signal's reason as soon as it fires. The promise itself continues and its result is ignored. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Removes the listeners from the sources. */
  unlink(): void;
}

/**
 * A signal that fires with any of its sources. Unlike AbortSignal.any it can be released: on Node 20 a signal that
 * lives as long as the process would otherwise collect one dependant per request.
 */
export function linkSignals(...sources: AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  const onAbort = (event: Event): void => controller.abort((event.target as AbortSignal).reason);
  const fired = sources.find((source) => source.aborted);
  if (fired) controller.abort(fired.reason);
  else for (const source of sources) source.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink: () => {
      for (const source of sources) source.removeEventListener("abort", onAbort);
    },
  };
}
