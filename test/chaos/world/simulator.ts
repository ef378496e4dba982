/** The upstreams of a hunt: the simulator in its own process, so that no other work delays the times of arrivals. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type {
  ChangeReport,
  Counts,
  LogEntry,
  SimulatorUrls,
  Upstream,
} from "../../../src/simulator/types.ts";
import type { Plan } from "../plan.ts";

const main = fileURLToPath(new URL("../../../dist/simulator/main.js", import.meta.url));

export interface UpstreamContent {
  id: string;
  data?: Record<string, unknown>;
  xml?: string;
}

export interface ChaosSimulator {
  readonly urls: SimulatorUrls;
  readonly pid: number;
  setFaults(faults: readonly string[]): Promise<void>;
  /** Moves everything to the second point in time. */
  moveOn(): Promise<Record<Upstream, ChangeReport>>;
  change(change: Record<string, unknown>): Promise<ChangeReport>;
  content(provider: Upstream): Promise<UpstreamContent[]>;
  log(since: number): Promise<LogEntry[]>;
  counts(): Promise<Counts>;
  stop(): Promise<void>;
}

export async function startChaosSimulator(plan: Plan, logFd: number): Promise<ChaosSimulator> {
  const { content } = plan;
  const flags = [
    ...["--seed", plan.seed, "--cves", content.cve, "--cwes", content.cwe, "--capecs", content.capec],
    ...["--attack-objects", content.attack, "--record-bytes", 600, "--latency-ms", 60, "--exit-with-parent"],
  ];
  const child: ChildProcess = spawn(process.execPath, [main, ...flags.map(String)], {
    stdio: ["pipe", "pipe", logFd],
  });
  const first = await Promise.race([
    once(createInterface({ input: child.stdout! }), "line").then(([line]) => String(line)),
    once(child, "exit").then(() => Promise.reject(new Error("the simulator ended at its start"))),
  ]);
  const { url, urls } = JSON.parse(first) as { url: string; urls: SimulatorUrls };
  const post = async <T>(path: string, body: unknown): Promise<T> => {
    const response = await fetch(`${url}/_sim/${path}`, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`the simulator refuses ${path} ${JSON.stringify(body)}: ${text}`);
    return JSON.parse(text) as T;
  };
  const get = async (path: string): Promise<string> => (await fetch(`${url}/_sim/${path}`)).text();
  return {
    urls,
    pid: child.pid!,
    setFaults: async (faults) => {
      await post("faults", { faults });
    },
    moveOn: () => post("point", { point: "after" }),
    change: (change) => post("change", change),
    content: async (provider) =>
      (await get(`content/${provider}`))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as UpstreamContent),
    log: async (since) => JSON.parse(await get(`log?since=${since}`)) as LogEntry[],
    counts: async () => JSON.parse(await get("counts")) as Counts,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}
