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
  run("bash", ["-c", line], options);

async function run(command: string, args: readonly string[], { cwd, env }: RunOptions): Promise<UeeResult> {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.stderr += text;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  running.delete(child);
  return { code, signal, ...said };
}
