/** Starts killableOutlet.mjs: a process of its own that runs an outlet and dies at a step. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EngineSettings } from "../../src/engine.ts";

const script = fileURLToPath(new URL("./killableOutlet.mjs", import.meta.url));

export interface OutletPlan {
  outlet: "sink" | "serve";
  /** URL of Redis. */
  url: string;
  settings: EngineSettings;
  /** URL of PostgreSQL. */
  postgres?: string;
  rebuild?: boolean;
  nth: number;
  phase: "before" | "after";
}

export interface KillableOutlet {
  readonly process: ChildProcess;
  /** Lets it begin; resolves to the next line it prints, undefined where it dies without one. */
  go(): Promise<string | undefined>;
  /** Its last signal; null where it came to its end. */
  ended: Promise<string | null>;
}

export function startKillableOutlet(plan: OutletPlan): KillableOutlet {
  const child = spawn(process.execPath, [script, JSON.stringify(plan)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = lines.next();
  child.stdin.on("error", () => undefined);
  return {
    process: child,
    async go() {
      if ((await ready).value !== "ready") throw new Error("the outlet did not start");
      child.stdin.write("go\n");
      return (await lines.next()).value as string | undefined;
    },
    ended: once(child, "close").then(([, signal]) => signal as string | null),
  };
}
