/** The worker's side of supervision: answers pings as long as its event loop turns. */
import type { EventEmitter } from "node:events";
import { isPing, type Pong } from "./messages.ts";

/** The process as it is here; no `send` where it has no supervisor. */
export type SupervisedEnd = EventEmitter & Pick<NodeJS.Process, "send">;

export interface Answering {
  /** Says how it is without being asked: something has changed. */
  tell(): void;
  stop(): void;
}

export function answerPings(
  process: SupervisedEnd,
  report: () => Pick<Pong, "worker" | "ready" | "live" | "reasons">,
): Answering {
  const say = (n: number): void => {
    const { worker, ready, live, reasons } = report();
    // A supervisor that is gone is no error of ours: the closed channel tells that elsewhere.
    process.send?.({ uee: "pong", n, worker, ready, live, reasons }, undefined, {}, () => undefined);
  };
  let heard = 0;
  const onMessage = (message: unknown): void => {
    if (!isPing(message)) return;
    heard = message.n;
    say(heard);
  };
  process.on("message", onMessage);
  return { tell: () => say(heard), stop: () => void process.off("message", onMessage) };
}
