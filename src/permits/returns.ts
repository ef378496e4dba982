/**
 * Leases that are returned in the background. A worker that moves from one batch to the next returns and acquires in
 * one step; everything else is sent at the end of the turn of the event loop.
 */
import type { Logger } from "../core/logger.ts";

export interface Returned {
  lease: string;
  fence: number;
  provider: string;
  onControl?: (ms: number) => void;
}

export function makeReturns(release: (old: Returned) => Promise<unknown>, logger: Logger) {
  let waiting: Returned[] = [];
  const sent = new Set<Promise<unknown>>();
  let planned = false;

  const send = (old: Returned): void => {
    const done: Promise<unknown> = release(old)
      .catch((error: unknown) => {
        logger.debug({ err: error, lease: old.lease }, "a permit was not given back; its lease ends");
      })
      .finally(() => sent.delete(done));
    sent.add(done);
  };
  const flush = (): void => {
    if (waiting.length === 0) return;
    const all = waiting;
    waiting = [];
    for (const old of all) send(old);
  };

  return {
    add(old: Returned): void {
      waiting.push(old);
      if (planned) return;
      planned = true;
      setImmediate(() => {
        planned = false;
        flush();
      });
    },
    /** Takes an unsent return of the provider for a caller that acquires now, and adds it again after a failure. */
    take(provider: string): Returned | undefined {
      const at = waiting.findIndex((old) => old.provider === provider);
      return at < 0 ? undefined : waiting.splice(at, 1)[0];
    },
    /** Sends all unsent returns. */
    flush,
    /** Resolves when all are answered. */
    async settled(): Promise<void> {
      flush();
      while (sent.size > 0) await Promise.all(sent);
    },
  };
}
