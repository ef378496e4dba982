/** A worker process as its supervisor sees it. */
import { type ChildProcess, spawn } from "node:child_process";
import { isPong, type Ping, type Pong } from "./messages.ts";

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
