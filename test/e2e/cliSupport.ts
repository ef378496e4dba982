/** Runs the real `uee` as a process of its own, as people and scripts do. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const bin = fileURLToPath(new URL("../../bin/uee", import.meta.url));

export interface UeeResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface UeeProcess {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the text has appeared on either stream; rejects when the process ends before. */
  said(text: string | RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<UeeResult>;
}

/** What a process needs to start, and nothing of the caller's settings. */
export const bareEnv = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  TMPDIR: process.env.TMPDIR,
  NO_PROXY: "127.0.0.1,localhost",
  // A test that crosses a slot must not meet runs that it did not ask for.
  UEE_SCHEDULES: "off",
  ...more,
});

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** After each test: one that failed must not leave its processes, and Jest waiting for them. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

export function startUee(
  args: readonly string[],
  { env, cwd }: { env: NodeJS.ProcessEnv; cwd?: string },
): UeeProcess {
  const child = spawn(process.execPath, [bin, ...args], { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    heard();
  });
  const ended = (once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>).then(
    ([code, signal]) => {
      running.delete(child);
      return { code, signal, stdout, stderr };
    },
  );
  return {
    child,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    ended,
    kill: (signal) => void child.kill(signal),
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const both = `${stdout}\n${stderr}`;
          if (typeof text === "string" ? !both.includes(text) : !text.test(both)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`uee ended without saying ${text}:\n${stdout}\n${stderr}`)));
      }),
  };
}

export const uee = (
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string },
): Promise<UeeResult> => startUee(args, options).ended;

/** Polls until it holds: for what only another process can tell. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_200; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited for a minute in vain: ${what}`);
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
