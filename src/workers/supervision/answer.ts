/** The worker's side of supervision: answers pings as long as its event loop turns. */
import type { EventEmitter } from "node:events";
import { isPing, type Pong } from "./messages.ts";

/** The process as it is here; no `send` where nobody supervises it. */
export type SupervisedEnd = EventEmitter & { send?: ((message: Pong) => boolean) | undefined };

/** Returns what ends it. */
export function answerPings(
  process: SupervisedEnd,
  report: () => Pick<Pong, "worker" | "ready" | "live" | "reasons">,
): () => void {
  const onMessage = (message: unknown): void => {
    if (!isPing(message)) return;
    const { worker, ready, live, reasons } = report();
    try {
      process.send?.({ uee: "pong", n: message.n, worker, ready, live, reasons });
    } catch {
      // The supervisor is gone; the closed channel tells that elsewhere.
    }
  };
  process.on("message", onMessage);
  return () => process.off("message", onMessage);
}
