/** The channel between a worker process and its supervisor: pings and answers. Foreign messages are ignored. */
import { type ChildProcess, spawn } from "node:child_process";
import type { EventEmitter } from "node:events";
import type { WorkerReport } from "../handle.ts";

interface Ping {
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

const isPing = (message: unknown): message is Ping => isOurs(message, "ping");
const isPong = (message: unknown): message is Pong => isOurs(message, "pong");

/** A worker process as its supervisor sees it. */
export interface WorkerProcess {
  readonly pid: number;
  ping(n: number): void;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

export interface WorkerProcessListeners {
  onPong: (answer: Pong) => void;
  /** Called once. */
  onExit: (how: string) => void;
}

export type SpawnWorker = (listeners: WorkerProcessListeners) => WorkerProcess;

/** Starts worker processes from one command line. What they say goes where we say it. */
export function workerSpawner(options: {
  script: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}): SpawnWorker {
  return ({ onPong, onExit }) => {
    // An own group: a terminal's Ctrl-C reaches us alone, and we stop the children once, in order. The channel closes
    // however we end, which tells them (cli/interrupts.ts) to stop even where we could not.
    const child: ChildProcess = spawn(process.execPath, [options.script, ...options.args], {
      env: options.env,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
    });
    let ended = false;
    const end = (how: string): void => {
      if (ended) return;
      ended = true;
      onExit(how);
    };
    child.on("message", (message) => {
      if (isPong(message)) onPong(message);
    });
    child.once("exit", (code, signal) =>
      end(code === null ? `was ended by ${signal}` : `ended with code ${code}`),
    );
    child.once("error", (error) => end(`could not be run: ${error.message}`));
    return {
      pid: child.pid ?? 0,
      ping: (n) => {
        // One that cannot be told is one that does not answer.
        if (child.connected) child.send({ uee: "ping", n } satisfies Ping, () => undefined);
      },
      kill: (signal) => void child.kill(signal),
    };
  };
}

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
    // A supervisor that is gone is no error here: its closed channel is handled elsewhere.
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
