/** Child processes of `uee up`: started together, watched, stopped together. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface ChildrenOptions {
  count: number;
  script: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  /** A child ended that was not asked to; `left` still run. */
  onLost: (what: { pid: number; how: string; left: number }) => void;
}

export interface Children {
  readonly pids: number[];
  /** Resolves when the last one has ended. */
  readonly allEnded: Promise<void>;
  /** SIGTERM to all; SIGKILL to those that remain after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /** SIGKILL, now. */
  kill(): void;
}

export function startChildren(options: ChildrenOptions): Children {
  const alive = new Set<ChildProcess>();
  let stopping = false;
  const ended: Promise<unknown>[] = [];
  const start = () => {
    // An own group: a terminal's Ctrl-C reaches us alone, and we stop the children once, in order. The channel closes
    // however we end, which tells them (main.ts) to stop even where we could not.
    const child = spawn(process.execPath, [options.script, ...options.args], {
      env: options.env,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
    });
    alive.add(child);
    ended.push(
      Promise.race([
        once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>,
        once(child, "error").then(([error]): [null, string] => [null, String(error)]),
      ]).then(([code, signal]) => {
        alive.delete(child);
        if (stopping) return;
        const how = code === null ? `was ended by ${signal}` : `ended with code ${code}`;
        options.onLost({ pid: child.pid ?? 0, how, left: alive.size });
      }),
    );
  };
  for (let i = 0; i < options.count; i++) start();
  const kill = () => {
    for (const child of alive) child.kill("SIGKILL");
  };
  const allEnded = Promise.all(ended).then(() => {});
  return {
    pids: [...alive].flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    allEnded,
    kill,
    async stop(deadlineMs) {
      stopping = true;
      for (const child of alive) child.kill("SIGTERM");
      const timer = setTimeout(kill, deadlineMs);
      await allEnded;
      clearTimeout(timer);
    },
  };
}
