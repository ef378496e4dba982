// The baseline: the bare loop in a process of its own.
import { fileURLToPath } from "node:url";
import { runNode } from "./processes.mjs";

const script = fileURLToPath(new URL("../processes/bareLoop.mjs", import.meta.url));

/** Loads all CVEs of the simulator; returns { ms, records, processorMs }. */
export async function bareLoop(server, simulator) {
  const { stdout, processorMs } = await runNode([script, server.socket, simulator.urls.cve]);
  return { ...JSON.parse(stdout), processorMs };
}
