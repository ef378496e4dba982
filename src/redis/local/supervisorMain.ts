/**
 * The supervisor's process, started detached by localRedis():
 * `node supervisorMain.js '{"dataDir":…,"id":…,"idleMs":…,"maxMemoryBytes":…}'`.
 * Writes the reason of a failure to stderr; the exit code is also 0 when another supervisor is active.
 */
import { writeSync } from "node:fs";
import { localFiles } from "./files.ts";
import { supervise } from "./supervisor.ts";

const { dataDir, ...options } = JSON.parse(process.argv[2] ?? "{}") as {
  dataDir: string;
  id: string;
  idleMs: number;
  maxMemoryBytes: number;
};
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
// The terminal that started this process may close; the process stays as long as there are clients.
process.on("SIGHUP", () => {});

try {
  await supervise({ files: localFiles(dataDir), ...options, stop });
} catch (error) {
  process.exitCode = 1;
  try {
    writeSync(2, error instanceof Error ? error.message : String(error));
  } catch {
    // The command that started this process has ended.
  }
}
process.exit();
