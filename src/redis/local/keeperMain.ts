/**
 * The keeper's process, started detached by localRedis():
 * `node keeperMain.js '{"dataDir":…,"id":…,"idleMs":…,"maxMemoryBytes":…}'`.
 * Says on stderr why it failed; exit code 0 also when another keeper is there.
 */
import { writeSync } from "node:fs";
import { localFiles } from "./files.ts";
import { keep } from "./keeper.ts";

const { dataDir, ...options } = JSON.parse(process.argv[2] ?? "{}") as {
  dataDir: string;
  id: string;
  idleMs: number;
  maxMemoryBytes: number;
};
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
// The terminal that started us may close; we stay as long as there are clients.
process.on("SIGHUP", () => {});

try {
  await keep({ files: localFiles(dataDir), ...options, stop });
} catch (error) {
  process.exitCode = 1;
  try {
    writeSync(2, error instanceof Error ? error.message : String(error));
  } catch {
    // The command that started us has ended.
  }
}
process.exit();
