/** Real worker processes, ended with their test. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EngineSettings } from "../../src/engine.ts";
import type { StepName } from "../../src/workers/context.ts";

const script = fileURLToPath(new URL("./workerProcess.mjs", import.meta.url));

export interface Place {
  step: StepName;
  phase: "before" | "after";
  nth: number;
}

export interface LogLine {
  level: number;
  msg: string;
  event?: string;
  code?: string;
  [field: string]: unknown;
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  /** Lines it printed: steps as they happen. */
  readonly steps: { step: StepName; phase: "before" | "after"; batch: string; at: number }[];
  readonly id: string;
  /** Its log lines of level info and above, where they were asked for. */
  readonly logs: LogLine[];
  /** Resolves at the next step that fits. */
  reached(step: StepName, phase: "before" | "after"): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  ended(): Promise<void>;
}

export async function startWorkerProcess(options: {
  url: string;
  settings: EngineSettings;
  stopAt?: Place;
  /** It kills itself when it has fetched one of these batches. */
  diesAt?: readonly string[];
  logs?: boolean;
  /** It believes to run on another machine of this name. */
  host?: string;
}): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const steps: WorkerProcess["steps"] = [];
  const logs: LogLine[] = [];
  const events = new EventEmitter();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const said = JSON.parse(line);
    if (said.ready) events.emit("ready", said);
    else if (said.log) logs.push(said.log);
    else {
      steps.push(said);
      events.emit(`${said.step}:${said.phase}`);
    }
  });
  const closed = once(child, "close");
  const [ready] = (await Promise.race([
    once(events, "ready"),
    closed.then(() => Promise.reject(new Error("the worker ended"))),
  ])) as [{ ready: string }];
  return {
    process: child,
    steps,
    logs,
    id: ready.ready,
    reached: async (step, phase) => {
      await once(events, `${step}:${phase}`);
    },
    kill: (signal) => {
      child.kill(signal);
    },
    ended: async () => {
      if (child.exitCode === null && child.signalCode === null) await closed;
    },
  };
}
