/** What supervisor and worker say to each other over the channel between their processes. Foreign messages are none. */
import type { WorkerReport } from "../handle.ts";

export interface Ping {
  uee: "ping";
  n: number;
}

export interface Pong extends Pick<WorkerReport, "ready" | "live" | "reasons"> {
  uee: "pong";
  n: number;
  /** Id of the worker in the process; null while there is none. */
  worker: string | null;
}

const isOurs = (message: unknown, kind: string): boolean =>
  typeof message === "object" && message !== null && "uee" in message && message.uee === kind;

export const isPing = (message: unknown): message is Ping => isOurs(message, "ping");
export const isPong = (message: unknown): message is Pong => isOurs(message, "pong");
