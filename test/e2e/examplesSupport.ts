/** Runs what a reader would run, and what it said. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { UeeResult } from "./cliSupport.ts";

export interface RunOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** After each test: one that failed must not leave its processes. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

export const runNode = (args: readonly string[], options: RunOptions): Promise<UeeResult> =>
  run(process.execPath, args, options);

/** A line as a shell takes it. */
export const runLine = (line: string, options: RunOptions): Promise<UeeResult> =>
  startLine(line, options).ended;

export interface Started {
  readonly stdout: string;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<UeeResult>;
}

/** One simple command takes the shell's place, so that signals reach it. */
export const startLine = (line: string, options: RunOptions): Started => start("bash", ["-c", line], options);

const run = (command: string, args: readonly string[], options: RunOptions): Promise<UeeResult> =>
  start(command, args, options).ended;

function start(command: string, args: readonly string[], { cwd, env }: RunOptions): Started {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.stderr += text;
  });
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    get stdout() {
      return said.stdout;
    },
    kill: (signal) => void child.kill(signal),
    ended: closed.then(([code, signal]) => {
      running.delete(child);
      return { code, signal, ...said };
    }),
  };
}
