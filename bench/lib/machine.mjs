import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, type as system, totalmem } from "node:os";

/** What the figures were taken on. */
export function machine() {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryBytes: totalmem(),
    system: `${system()} ${release()}`,
    node: process.version,
    redis:
      /v=([\d.]+)/.exec(execFileSync("redis-server", ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown",
  };
}

/** Runnable processes, average of the last minute. */
export const load = () => loadavg()[0];
