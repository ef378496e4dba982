/**
 * The simulator as a process of its own. Prints one JSON line with its URLs once it listens, stops cleanly on SIGTERM and
 * SIGINT, and with --exit-with-parent when standard input ends. Exit 2: wrong usage.
 */
import { toUeeError } from "../core/errors.ts";
import { readArguments, type SimulatorArguments } from "./arguments.ts";
import { startSimulator } from "./simulator.ts";
import type { Simulator } from "./types.ts";

async function main(): Promise<void> {
  let given: SimulatorArguments;
  let simulator: Simulator;
  try {
    given = readArguments(process.argv.slice(2), process.env);
    simulator = await startSimulator(given.options);
  } catch (error) {
    const { code, detail } = toUeeError(error);
    process.stderr.write(`${code}: ${detail}\n`);
    process.exitCode = code === "SYS_USAGE" || code === "VAL_DATE" ? 2 : 1;
    return;
  }
  const { url, urls, elsewhereUrl } = simulator;
  let closing = false;
  const stop = (): void => {
    if (closing) return;
    closing = true;
    process.stdin.destroy();
    void simulator.close();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (given.exitWithParent) {
    process.stdin.on("end", stop).on("close", stop).on("error", stop);
    process.stdin.resume();
  }
  process.stdout.on("error", stop);
  process.stdout.write(`${JSON.stringify({ url, urls, elsewhereUrl, pid: process.pid })}\n`);
}

await main();
