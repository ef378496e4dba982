/** The keeper's process. Started detached by localRedis(): `node keeperMain.js '{"dataDir":…,"idleMs":…,"maxMemoryBytes":…}'` */
import { localFiles, writeJson } from "./files.ts";
import { keep } from "./keeper.ts";

const { dataDir, idleMs, maxMemoryBytes } = JSON.parse(process.argv[2] ?? "{}") as {
  dataDir: string;
  idleMs: number;
  maxMemoryBytes: number;
};
const files = localFiles(dataDir);
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
// The terminal that started us may close; we stay as long as there are clients.
process.on("SIGHUP", () => {});

try {
  await keep({ files, idleMs, maxMemoryBytes, stop: stop.signal });
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  writeJson(files.failure, { at: Date.now(), message });
  process.exitCode = 1;
}
process.exit();
